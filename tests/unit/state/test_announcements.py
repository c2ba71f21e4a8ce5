"""Instances hear each other at once, and do without it when Redis is away, slow, emptied or lying."""

import json
import os
import signal
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from gateway.devstack.folder import StateFolder
from gateway.devstack.redis import Redis
from gateway.errors import InvalidConfiguration
from gateway.state import announcements as module
from gateway.state.announcements import CHANNEL, Announcements
from gateway.state.redis import connect

pytestmark = pytest.mark.anyio


@pytest.fixture
async def pair(announcing, until):
    """Two instances that hear each other, and what each heard and missed."""
    one, two = announcing(), announcing()
    async with AsyncExitStack() as running:
        for instance in (one, two):
            instance.heard, instance.missed = [], []
            instance.listen("news", instance.heard.append, missed=lambda it=instance: it.missed.append(1))
            await running.enter_async_context(instance.running())
        await until(lambda: one.connected and two.connected)
        yield one, two


async def test_a_url_with_a_password_is_refused_without_being_shown():
    with pytest.raises(InvalidConfiguration, match="holds a password") as refused:
        connect("redis://:hunter2@127.0.0.1:1/0")
    assert "hunter2" not in refused.value.message + refused.value.hint


async def test_what_one_tells_the_other_hears_and_itself_does_not(pair, until):
    one, two = pair
    one.tell("news", "first")
    one.tell("other topic", "x")
    one.tell("news", "second")
    await until(lambda: len(two.heard) == 2)
    assert two.heard == ["first", "second"]
    assert one.heard == []


@pytest.mark.parametrize(
    "said", [b"", b"\xff", b"[]", b"{}", b'["a", "news"]', b'["a", "news", 1]', json.dumps(["a", "news", "x" * 2000])]
)
async def test_what_is_not_as_we_write_it_is_heard_by_nobody(pair, until, redis_client, said):
    one, two = pair
    await redis_client().publish(CHANNEL, said)
    one.tell("news", "next")
    await until(lambda: two.heard)
    assert two.heard == ["next"]


async def test_without_redis_nobody_waits_and_nothing_grows(redis_server, redis_client):
    redis_server.process.stop()
    alone = Announcements(redis_client())
    async with alone.running():
        for number in range(3 * module.MAX_WAITING):
            alone.tell("news", str(number))
        assert len(alone._waiting) <= module.MAX_WAITING
        assert not alone.connected


async def test_when_redis_is_back_they_hear_again_and_know_that_they_missed_something(
    pair, until, redis_server, tmp_path
):
    one, two = pair
    redis_server.process.stop()
    await until(lambda: not one.connected and not two.connected)
    one.tell("news", "said meanwhile")
    with StateFolder(tmp_path / "again") as folder:
        folder.keep_secret("redis-password", redis_server.password_file.read_text())
        again = Redis.start(folder, port=redis_server.port)
        await until(lambda: one.connected and two.connected)
        assert (len(one.missed), len(two.missed)) == (2, 2)
        one.tell("news", "said again")
        await until(lambda: "said again" in two.heard)
        again.process.stop()


async def test_a_redis_that_hangs_counts_as_away(pair, until, redis_server, monkeypatch):
    one, _ = pair
    monkeypatch.setattr(module, "SILENCE", timedelta(seconds=0.1))
    one.tell("news", "wake up")
    os.kill(redis_server.process.pid, signal.SIGSTOP)
    try:
        await until(lambda: not one.connected)
    finally:
        os.kill(redis_server.process.pid, signal.SIGCONT)
    await until(lambda: one.connected)


async def test_a_new_password_is_taken_up_without_a_restart(pair, until, redis_server, redis_client):
    one, two = pair
    administrator = redis_client()
    await administrator.config_set("requirepass", "second")
    redis_server.password_file.write_text("second\n")
    for kind in ("pubsub", "normal"):
        await administrator.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
    await until(lambda: len(one.missed) == len(two.missed) == 2)
    one.tell("news", "hello")
    await until(lambda: two.heard == ["hello"])


async def test_a_password_that_cannot_be_read_is_named_in_the_log(redis_server, tmp_path, until, caplog):
    client = connect(redis_server.url, password_file=tmp_path / "no-such-file")
    async with Announcements(client).running():
        await until(lambda: "no-such-file" in caplog.text)
    await client.aclose()
