"""Clients of Redis: by password or by name and password, and a clear word where there is none."""

import sys

import pytest

from gateway.errors import InvalidConfiguration, StateUnavailable
from gateway.state.redis import check, connect

pytestmark = pytest.mark.anyio


async def closing(client):
    try:
        await check(client)
    finally:
        await client.aclose()


def test_without_the_driver_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(InvalidConfiguration, match="needs Redis's driver") as refused:
        connect("redis://127.0.0.1/0")
    assert "[server,redis]" in refused.value.hint


async def test_a_redis_that_wants_a_password_and_gets_none_is_said(redis_server):
    with pytest.raises(StateUnavailable, match="Redis cannot be used"):
        await closing(connect(redis_server.url))


async def test_a_wrong_password_is_said_and_not_shown(redis_server, tmp_path):
    wrong = tmp_path / "password"
    wrong.write_text("hunter2")
    with pytest.raises(StateUnavailable, match="Redis cannot be used") as refused:
        await closing(connect(redis_server.url, password_file=wrong))
    assert "hunter2" not in refused.value.message + str(refused.value.__cause__)


async def test_a_password_file_that_is_not_there_is_named(redis_server, tmp_path):
    with pytest.raises(StateUnavailable, match="no-such-file"):
        await closing(connect(redis_server.url, password_file=tmp_path / "no-such-file"))


async def test_a_user_of_redis_may_have_a_name(redis_server, redis_client, tmp_path):
    await redis_client().execute_command("ACL", "SETUSER", "gw", "on", ">second", "allchannels", "+@all")
    password = tmp_path / "password"
    password.write_text("second\n")
    client = connect(redis_server.url.replace("redis://", "redis://gw@"), password_file=password)
    assert await client.acl_whoami() == "gw"
    await closing(client)
