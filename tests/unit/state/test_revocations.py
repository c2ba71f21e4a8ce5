"""What one instance revokes, every other refuses within five seconds, or refuses everything."""

from datetime import timedelta

import anyio
import pytest
from sqlalchemy import select

from gateway.errors import Revoked, StateUnavailable
from gateway.model import Mark, Revocation, RevocationKind
from gateway.state.models import RevocationRow
from gateway.state.revocations import SqlRevocations

pytestmark = pytest.mark.anyio

ADA = Mark(RevocationKind.PRINCIPAL, "people/ada")
LINK = Mark(RevocationKind.LINK, "0a" * 16)
SECOND = timedelta(seconds=1)


class Time:
    def __init__(self, now):
        self.now = now
        self.seconds = 0.0

    def advance(self, seconds):
        self.now += timedelta(seconds=seconds)
        self.seconds += seconds


@pytest.fixture
def time(now):
    return Time(now)


@pytest.fixture
def instance(database, time):
    return lambda: SqlRevocations(database, lambda: time.now, monotonic=lambda: time.seconds)


@pytest.fixture
def revoke(time):
    def make(mark=ADA, at=None, until=timedelta(days=31)):
        return Revocation(mark.kind, mark.value, at or time.now, time.now + until, "grace")

    return make


async def test_what_is_revoked_is_refused_at_once_where_it_was_revoked(instance, revoke, time):
    here = instance()
    await here.check([ADA], issued_at=time.now)
    await here.add(revoke())
    with pytest.raises(Revoked, match="This principal was revoked"):
        await here.check([LINK, ADA], issued_at=time.now)


async def test_another_instance_refuses_within_five_seconds(instance, revoke, time):
    here, there = instance(), instance()
    await there.check([ADA], issued_at=time.now)
    issued = time.now
    await here.add(revoke())
    time.advance(1)
    with pytest.raises(Revoked):
        await there.check([ADA], issued_at=issued)


async def test_within_a_second_memory_answers(instance, revoke, time):
    here, there = instance(), instance()
    await there.check([ADA], issued_at=time.now)
    await here.add(revoke())
    time.advance(0.9)
    await there.check([ADA], issued_at=time.now - SECOND)


async def test_what_was_issued_later_is_good(instance, revoke, time):
    here = instance()
    await here.add(revoke())
    with pytest.raises(Revoked):
        await here.check([ADA], issued_at=time.now)
    await here.check([ADA], issued_at=time.now + timedelta(microseconds=1))


async def test_the_last_of_several_revocations_counts(instance, revoke, time):
    here = instance()
    await here.add(revoke(at=time.now + 2 * SECOND))
    await here.add(revoke())
    with pytest.raises(Revoked):
        await here.check([ADA], issued_at=time.now + SECOND)


async def test_others_are_not_concerned(instance, revoke, time):
    here = instance()
    await here.add(revoke())
    same_value = Mark(RevocationKind.RESOURCE, ADA.value)
    await here.check([LINK, same_value, Mark(ADA.kind, "jobs/ada")], issued_at=time.now)


@pytest.mark.parametrize("old", [1, 2])
async def test_a_revocation_that_comes_as_old_ones_go_is_seen(instance, revoke, time, old):
    here, there = instance(), instance()
    for _ in range(old):
        await here.add(revoke(LINK, until=SECOND))
    await there.check([ADA], issued_at=time.now)
    time.advance(2)
    await here.add(revoke())
    with pytest.raises(Revoked):
        await there.check([ADA], issued_at=time.now)


async def test_what_is_over_is_swept(instance, revoke, database, time):
    here = instance()
    await here.add(revoke(LINK, until=SECOND))
    time.advance(2)
    await here.add(revoke())
    kept = await database.read(lambda session: session.scalars(select(RevocationRow.value)).all())
    assert kept == [ADA.value]


async def test_without_an_answer_for_five_seconds_everything_is_refused(instance, time, database, monkeypatch):
    here = instance()
    await here.check([ADA], issued_at=time.now)

    async def away(work):
        raise StateUnavailable("away")

    monkeypatch.setattr(database, "read", away)
    time.advance(4.9)
    await here.check([ADA], issued_at=time.now)
    time.advance(0.1)
    with pytest.raises(StateUnavailable):
        await here.check([ADA], issued_at=time.now)


async def test_an_instance_that_never_had_an_answer_refuses(instance, time, database, monkeypatch):
    async def away(work):
        raise StateUnavailable("away")

    monkeypatch.setattr(database, "read", away)
    with pytest.raises(StateUnavailable):
        await instance().check([ADA], issued_at=time.now)


async def test_of_many_who_ask_at_once_one_reads(instance, time, database, monkeypatch):
    read, reads = database.read, []

    async def counted(work):
        reads.append(work)
        return await read(work)

    monkeypatch.setattr(database, "read", counted)
    here = instance()
    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(lambda: here.check([ADA], issued_at=time.now))
    assert len(reads) == 1


async def test_who_leaves_while_it_is_read_does_not_take_it_from_the_others(instance, revoke, time):
    here = instance()
    await here.add(revoke())
    refused = []

    async def stay():
        with pytest.raises(Revoked):
            await here.check([ADA], issued_at=time.now)
        refused.append(1)

    async with anyio.create_task_group() as group:
        with anyio.CancelScope() as leaving:
            group.start_soon(stay)
            leaving.cancel()
            await here.check([ADA], issued_at=time.now)
    assert refused == [1]


async def test_with_announcements_another_instance_knows_at_once(database, revoke, time, announcing, until):
    one, two = announcing(), announcing()
    here, there = (
        SqlRevocations(database, lambda: time.now, monotonic=lambda: 0.0, announcements=a) for a in (one, two)
    )
    async with one.running(), two.running():
        await until(lambda: one.connected and two.connected)
        await there.check([ADA], issued_at=time.now)
        await here.add(revoke())
        await until(lambda: there._is_outdated)
        with pytest.raises(Revoked):
            await there.check([ADA], issued_at=time.now)


async def test_who_did_not_hear_for_a_while_reads_again_as_soon_as_they_hear(instance, revoke, time):
    here, there = instance(), instance()
    await there.check([ADA], issued_at=time.now)
    await here.add(revoke())
    await there.check([ADA], issued_at=time.now)  # what it knows is less than a second old
    there.look_again()
    with pytest.raises(Revoked):
        await there.check([ADA], issued_at=time.now)


async def test_an_announcement_while_the_database_is_away_stops_nothing(instance, time, database, monkeypatch):
    here = instance()
    await here.check([ADA], issued_at=time.now)

    async def away(work):
        raise StateUnavailable("away")

    monkeypatch.setattr(database, "read", away)
    here.look_again()
    await here.check([ADA], issued_at=time.now)
    time.advance(5)
    with pytest.raises(StateUnavailable):
        await here.check([ADA], issued_at=time.now)


async def test_a_revocation_that_comes_while_memory_is_read_is_seen(instance, revoke, time, database, monkeypatch):
    here, read = instance(), database.read
    revoked = []

    async def revoke_after_reading(work):
        found = await read(work)
        if not revoked:
            revoked.append(await instance().add(revoke()))
            here.look_again()
        return found

    monkeypatch.setattr(database, "read", revoke_after_reading)
    outcomes = []

    async def check():
        try:
            await here.check([ADA], issued_at=time.now)
            outcomes.append("good")
        except Revoked:
            outcomes.append("revoked")

    async with anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(check)
    assert outcomes == ["good", "revoked"]  # the second joined a reading that was over too early
