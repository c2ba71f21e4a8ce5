"""No proof is taken twice, on any instance: in SQL and in memory."""

from datetime import timedelta

import anyio
import pytest
from sqlalchemy import select

from gateway.identity.used_proofs import MemoryUsedProofs
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
