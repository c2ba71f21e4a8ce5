"""What is over goes, and nobody waits for it."""

from datetime import timedelta

import anyio.from_thread
import pytest
from sqlalchemy import func, select

from gateway.state.models import UsedProofRow
from gateway.state.schema import migrate
from gateway.state.sweep import sweep

pytestmark = pytest.mark.anyio


@pytest.fixture
async def rows(database, now):
    """Two that are over, and one that is not."""
    ends = {"a" * 64: now, "b" * 64: now, "c" * 64: now + timedelta(seconds=1)}
    await database.write(lambda session: session.add_all(UsedProofRow(digest=d, until=end) for d, end in ends.items()))


def left(session):
    return session.scalar(select(func.count()).select_from(UsedProofRow))


async def test_what_is_over_goes(database, rows, now):
    await database.write(lambda session: sweep(session, UsedProofRow, UsedProofRow.until <= now))
    assert await database.read(left) == 1


async def test_what_another_instance_sweeps_is_left_to_it(open_database, postgresql_url, now):
    one, two = open_database(postgresql_url), open_database(postgresql_url, timeout=timedelta(seconds=1))
    await migrate(one)
    await one.write(lambda session: session.add(UsedProofRow(digest="a" * 64, until=now)))

    def sweep_while_another_does(session):
        sweep(session, UsedProofRow, UsedProofRow.until <= now)
        return anyio.from_thread.run(two.write, lambda other: sweep(other, UsedProofRow, UsedProofRow.until <= now))

    await one.write(sweep_while_another_does)
    assert await two.read(left) == 0
