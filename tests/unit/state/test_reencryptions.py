from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.model import MovedObject, Reencryption, ReencryptionState, Signatory
from gateway.state.reencryptions import RecentMoves, SqlReencryptions

pytestmark = pytest.mark.anyio

GRACE = Signatory("people", "s-grace", "grace")
MINUTE = timedelta(minutes=1)
MOVED = MovedObject("push/0", "push/0@2", 2, "ab" * 16)


@pytest.fixture
def jobs(database):
    return SqlReencryptions(database)


@pytest.fixture
def wanted(resource, now):
    return Reencryption(resource.id, resource.name, 2, ReencryptionState.RUNNING, GRACE, now, 1000)


async def test_without_a_job_there_is_nothing(jobs, resource, now):
    assert await jobs.find(resource.id) is None
    assert await jobs.take("me", now=now, until=now + MINUTE) is None
    assert not await jobs.stop(resource.id)
    assert await jobs.current(resource.id, ["push/0"]) == {}


async def test_a_job_under_way_is_not_begun_again(jobs, wanted):
    assert await jobs.start(wanted)
    assert not await jobs.start(replace(wanted, epoch=3))
    assert await jobs.find(wanted.resource_id) == wanted


async def test_one_that_has_ended_gives_way_to_the_next(jobs, wanted, now):
    await jobs.start(wanted)
    await jobs.take("me", now=now, until=now + MINUTE)
    await jobs.update(replace(wanted, state=ReencryptionState.DONE), "me", until=now)
    assert await jobs.start(replace(wanted, epoch=3))
    assert (await jobs.find(wanted.resource_id)).epoch == 3
    assert await jobs.take("me", now=now, until=now + MINUTE) is not None


async def test_a_job_is_one_holders_until_its_time_is_over(jobs, wanted, now):
    await jobs.start(wanted)
    assert await jobs.take("me", now=now, until=now + MINUTE) == wanted
    assert await jobs.take("you", now=now, until=now + MINUTE) is None
    assert await jobs.hold(wanted.resource_id, "me", until=now + 2 * MINUTE)
    assert await jobs.take("you", now=now + MINUTE, until=now + 3 * MINUTE) is None
    assert await jobs.take("you", now=now + 2 * MINUTE, until=now + 3 * MINUTE) == wanted
    assert not await jobs.hold(wanted.resource_id, "me", until=now + 9 * MINUTE)
    await jobs.update(replace(wanted, moved=7), "me", until=now)
    assert await jobs.find(wanted.resource_id) == wanted


async def test_a_job_that_was_stopped_is_nobodys_and_keeps_its_counts(jobs, wanted, now):
    await jobs.start(wanted)
    await jobs.take("me", now=now, until=now + MINUTE)
    await jobs.update(replace(wanted, moved=7), "me", until=now + MINUTE)
    assert await jobs.stop(wanted.resource_id)
    assert not await jobs.hold(wanted.resource_id, "me", until=now + MINUTE)
    await jobs.update(replace(wanted, moved=8), "me", until=now + MINUTE)
    stopped = await jobs.find(wanted.resource_id)
    assert (stopped.state, stopped.moved) == (ReencryptionState.STOPPED, 7)
    assert await jobs.take("you", now=now + MINUTE, until=now + MINUTE) is None


async def test_where_objects_are_and_what_is_left_of_them_is_remembered(jobs, wanted):
    await jobs.add_moved(wanted.resource_id, [(MOVED, "push/0"), (replace(MOVED, object_id="push/1"), "push/1")])
    again = replace(MOVED, current_id="push/0@3", epoch=3)
    await jobs.add_moved(wanted.resource_id, [(again, "push/0@2")])
    found = await jobs.current(wanted.resource_id, [f"push/{number}" for number in range(2500)])
    assert found["push/0"] == again
    assert sorted(found) == ["push/0", "push/1"]
    assert await jobs.old_copies(wanted.resource_id, limit=9) == ["push/0", "push/0@2", "push/1"]
    await jobs.drop_copies(wanted.resource_id, ["push/0", "push/1"])
    assert await jobs.old_copies(wanted.resource_id, limit=9) == ["push/0@2"]


async def test_pushes_that_may_still_write_are_counted_by_epoch(jobs, catalog, resource, new_push, now):
    soon = now + MINUTE
    for digit, change in {"a": {}, "b": {"epoch": 2}, "c": {"expires_at": now}, "d": {"closed": True}}.items():
        await catalog.open_push(replace(new_push(resource, digit), **{"expires_at": soon} | change))
    assert await jobs.open_pushes(resource.id, now=now) == {1: 1, 2: 1}


class TestMemory:
    @pytest.fixture
    def time(self):
        return [0.0]

    @pytest.fixture
    def recent(self, database, time):
        return RecentMoves(database, monotonic=lambda: time[0])

    async def test_what_another_instance_moved_is_followed_after_a_second(self, recent, jobs, wanted, time):
        assert await recent.current(wanted.resource_id, ["push/0"]) == {}
        await jobs.start(wanted)
        await jobs.add_moved(wanted.resource_id, [(MOVED, "push/0")])
        assert await recent.current(wanted.resource_id, ["push/0"]) == {}
        time[0] = 1.0
        assert await recent.current(wanted.resource_id, ["push/0"]) == {"push/0": MOVED}

    async def test_what_began_here_is_followed_at_once(self, recent, wanted):
        await recent.current(wanted.resource_id, ["push/0"])
        await recent.start(wanted)
        await recent.add_moved(wanted.resource_id, [(MOVED, "push/0")])
        assert await recent.current(wanted.resource_id, ["push/0"]) == {"push/0": MOVED}
