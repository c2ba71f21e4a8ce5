"""Passwords at a real PostgreSQL and a real Redis: changed, tried, and never a moment without one that works."""

from pathlib import Path

import pytest

from gateway.errors import StateUnavailable
from gateway.state import passwords
from gateway.state.engine import Database

pytestmark = [pytest.mark.integration, pytest.mark.anyio]


@pytest.fixture
def database_password(own_database):
    return Path(own_database["password_file"])


@pytest.fixture
async def instance(own_database, database_password):
    opened = Database(own_database["url"], password_file=database_password, connections=1)
    yield opened
    await opened.close()


async def connect_anew(instance):
    await instance.close()
    await instance.read(lambda session: session.connection())


async def test_a_password_that_is_wrong_is_not_changed(own_database):
    with pytest.raises(StateUnavailable, match="password authentication failed"):
        await passwords.change_postgresql(own_database["url"], "wrong", "new")


async def test_an_instance_connects_before_and_after_the_server_takes_the_new_password(
    instance, own_database, database_password
):
    old, url = database_password.read_text(), own_database["url"]
    await connect_anew(instance)
    database_password.write_text("new")
    await connect_anew(instance)  # the file is ahead of the server
    await passwords.change_postgresql(url, old, "new")
    await connect_anew(instance)
    assert [await passwords.opens_postgresql(url, one) for one in (old, "new")] == [False, True]


async def test_an_instance_that_knows_no_good_password_says_so(instance, database_password):
    database_password.write_text("wrong")
    with pytest.raises(StateUnavailable, match="password authentication failed"):
        await connect_anew(instance)


async def test_redis_takes_two_passwords_until_one_is_removed(redis_server):
    old, url = redis_server.password_file.read_text(), redis_server.url
    await passwords.change_redis(url, old, add="new")
    assert [await passwords.opens_redis(url, one) for one in (old, "new")] == [True, True]
    await passwords.change_redis(url, "new", remove=old)
    assert [await passwords.opens_redis(url, one) for one in (old, "new")] == [False, True]


async def test_servers_that_are_away_are_no_proof_of_anything(free_port):
    with pytest.raises(StateUnavailable):
        await passwords.opens_postgresql(f"postgresql://u@127.0.0.1:{free_port}/postgres", "p")
    with pytest.raises(StateUnavailable):
        await passwords.opens_redis(f"redis://127.0.0.1:{free_port}/0", "p")
