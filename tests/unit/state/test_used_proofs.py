"""No proof is taken twice, on any instance: in SQL and in memory."""

from datetime import timedelta

import anyio
import anyio.lowlevel
import pytest
from sqlalchemy import select

from gateway.errors import StateUnavailable
from gateway.identity.used_proofs import MemoryUsedProofs
from gateway.state.engine import Database
from gateway.state.models import UsedProofRow
from gateway.state.used_proofs import SqlUsedProofs

pytestmark = pytest.mark.anyio

PROOF, OTHER = "0a" * 32, "0b" * 32


@pytest.fixture(params=["memory", "sql"])
def proofs(request, database, now):
    return MemoryUsedProofs(lambda: now) if request.param == "memory" else SqlUsedProofs(database, lambda: now)


@pytest.fixture
def later(now):
    return now + timedelta(minutes=1)


async def test_a_proof_is_taken_once(proofs, later):
    assert [await proofs.take(one, until=later) for one in (PROOF, OTHER, PROOF)] == [True, True, False]


async def test_of_many_at_once_one_is_taken(proofs, later):
    taken = []

    async def take():
        taken.append(await proofs.take(PROOF, until=later))

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(take)
    assert sorted(taken) == [False] * 19 + [True]


async def test_instances_share_them(database, now, later):
    one, two = SqlUsedProofs(database, lambda: now), SqlUsedProofs(database, lambda: now)
    assert await one.take(PROOF, until=later)
    assert not await two.take(PROOF, until=later)


async def test_what_is_too_old_to_be_shown_is_swept(database, now, later):
    clock = [now]
    proofs = SqlUsedProofs(database, lambda: clock[0])
    await proofs.take(PROOF, until=later)
    clock[0] = later
    await proofs.take(OTHER, until=later + timedelta(minutes=1))
    rows = await database.read(lambda session: session.scalars(select(UsedProofRow.digest)).all())
    assert rows == [OTHER]


async def test_while_the_database_is_away_no_proof_is_taken(tmp_path, now, later):
    away = Database(f"sqlite:///{tmp_path}/nowhere/gateway.db")
    proofs = SqlUsedProofs(away, lambda: now)
    for _ in range(2):
        with pytest.raises(StateUnavailable):
            await proofs.take(PROOF, until=later)
    await away.close()


async def test_more_than_fit_into_one_statement_are_all_taken(database, now, later):
    proofs = SqlUsedProofs(database, lambda: now)
    taken = []

    async def take(number):
        taken.append(await proofs.take(f"{number:064x}", until=later))

    async with anyio.create_task_group() as group:
        for number in range(1200):
            group.start_soon(take, number)
    assert taken == [True] * 1200
    assert not await proofs.take(f"{7:064x}", until=later)


async def test_a_caller_who_goes_away_leaves_its_proof_used(database, now, later):
    proofs = SqlUsedProofs(database, lambda: now)
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: proofs.take(PROOF, until=later))
        await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
    assert not await proofs.take(PROOF, until=later)
