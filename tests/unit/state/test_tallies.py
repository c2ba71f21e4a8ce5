"""Requests are counted here at once and together soon after, and here alone while Redis is away."""

from datetime import UTC, datetime, timedelta

import anyio
import pytest

from gateway.state import tallies as module
from gateway.state.tallies import Tallies

pytestmark = pytest.mark.anyio

WINDOW = timedelta(seconds=10)


class Time:
    def __init__(self):
        self.start = datetime(2030, 1, 1, 0, 0, 3, tzinfo=UTC)  # three seconds into a window
        self.seconds = 0.0

    def now(self):
        return self.start + timedelta(seconds=self.seconds)


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def instance(time):
    return lambda **options: Tallies(time.now, window=WINDOW, monotonic=lambda: time.seconds, **options)


def test_each_caller_is_counted_alone(instance):
    here = instance()
    assert [here.count(key) for key in ("ada", "ivan", "ada", "ada")] == [1, 1, 2, 3]


def test_a_new_window_begins_at_zero(instance, time):
    here = instance()
    assert [here.count("ada"), here.count("ada")] == [1, 2]
    assert here.left_of_window() == pytest.approx(7)
    time.seconds = 6.9
    assert here.count("ada") == 3
    time.seconds = 7.0
    assert here.count("ada") == 1


def test_more_callers_than_can_be_counted_apart_are_counted_as_one(instance, monkeypatch):
    monkeypatch.setattr(module, "CAPACITY", 2)
    here = instance()
    assert [here.count(key) for key in ("a", "b", "c", "d", "e", "a")] == [1, 1, 1, 2, 3, 2]


async def test_instances_count_together(instance, redis_client):
    client = redis_client()
    one, two = instance(client=client), instance(client=client)
    for _ in range(5):
        one.count("ada")
    two.count("ada")
    for each in (one, two, one):
        await each.share(client)
    assert one.count("ada") == 7
    assert two.count("ada") == 7
    assert two.count("ivan") == 1


async def test_what_redis_forgets_is_forgotten_and_ours_is_not(instance, redis_client):
    client = redis_client()
    one, two = instance(client=client), instance(client=client)
    for each in (one, two, one):
        each.count("ada")
        await each.share(client)
    await client.flushall()
    one.count("ada")
    await one.share(client)
    assert one.count("ada") == 4


async def test_callers_far_from_a_limit_are_not_told_of(instance, redis_client):
    client = redis_client()
    here = instance(client=client, worth_telling=3)
    for key in ("ada", "ada", "ivan", "ivan", "ivan"):
        here.count(key)
    await here.share(client)
    assert len(await client.keys("*")) == 1


async def test_redis_holds_no_name_and_forgets_what_is_over(instance, redis_client):
    client = redis_client()
    here = instance(client=client)
    here.count("people/ada")
    await here.share(client)
    [key] = await client.keys("*")
    assert b"ada" not in key
    assert 0 < await client.ttl(key) <= 21


async def test_redis_away_is_said_once_and_back_is_joined_again(time, redis_client, redis_server, until, caplog):
    monitored = Tallies(time.now, window=WINDOW, client=redis_client(), monotonic=lambda: time.seconds)
    async with anyio.create_task_group() as group:
        group.start_soon(monitored.run)
        await until(lambda: monitored.connected)
        redis_server.process.stop()
        await until(lambda: not monitored.connected)
        assert monitored.count("ada") == 1
        assert caplog.text.count("rate limits are each instance's own") == 1
        group.cancel_scope.cancel()
