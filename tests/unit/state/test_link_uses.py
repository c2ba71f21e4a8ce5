"""No use of a link is given twice, however many ask at once: in SQL and in memory."""

from datetime import timedelta

import anyio
import pytest
from sqlalchemy import select

from gateway.links.uses import MemoryLinkUses
from gateway.state.link_uses import SqlLinkUses
from gateway.state.models import LinkUseRow

pytestmark = pytest.mark.anyio

LINK, OTHER = "0a" * 16, "0b" * 16


@pytest.fixture(params=["memory", "sql"])
def uses(request, database, now):
    return MemoryLinkUses() if request.param == "memory" else SqlLinkUses(database, lambda: now)


@pytest.fixture
def later(now):
    return now + timedelta(minutes=5)


async def test_a_use_beyond_the_limit_is_refused(uses, later):
    assert [await uses.take(LINK, limit=2, expires_at=later) for _ in range(4)] == [True, True, False, False]


async def test_links_are_counted_apart(uses, later):
    assert await uses.take(LINK, limit=1, expires_at=later)
    assert await uses.take(OTHER, limit=1, expires_at=later)
    assert not await uses.take(LINK, limit=1, expires_at=later)


async def test_of_many_at_once_only_the_limit_passes(uses, later):
    taken = []

    async def take():
        taken.append(await uses.take(LINK, limit=5, expires_at=later))

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(take)
    assert sorted(taken) == [False] * 15 + [True] * 5


async def test_two_instances_count_together(database, now, later):
    one, two = SqlLinkUses(database, lambda: now), SqlLinkUses(database, lambda: now)
    assert await one.take(LINK, limit=2, expires_at=later)
    assert await two.take(LINK, limit=2, expires_at=later)
    assert not await one.take(LINK, limit=2, expires_at=later)


async def test_counts_of_expired_links_are_swept(database, now, later):
    clock = [now]
    uses = SqlLinkUses(database, lambda: clock[0])
    await uses.take(LINK, limit=1, expires_at=later)
    clock[0] = later
    await uses.take(OTHER, limit=1, expires_at=later + timedelta(minutes=5))
    kept = await database.read(lambda session: session.scalars(select(LinkUseRow.link_id)).all())
    assert kept == [OTHER]
