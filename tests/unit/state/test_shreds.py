from dataclasses import replace
from datetime import timedelta

import anyio
import pytest

from gateway.model import Shred, ShredState, Signatory
from gateway.state.shreds import SqlShreds

pytestmark = pytest.mark.anyio

GRACE = Signatory("people", "s-grace", "grace")
OTTO = Signatory("people", "s-otto", "otto")
AGAIN = timedelta(minutes=1)


@pytest.fixture
def shreds(database):
    return SqlShreds(database)


@pytest.fixture
def asked(resource, now):
    return Shred(resource.id, resource.name, "request 4711", ShredState.REQUESTED, GRACE, now)


async def test_what_is_not_there_is_none_and_nothing_becomes_of_it(shreds, now):
    assert await shreds.find("0" * 32) is None
    assert not await shreds.approve("0" * 32, by=OTTO, due_at=now)
    assert not await shreds.withdraw("0" * 32)
    assert await shreds.take_due(now=now, again_after=AGAIN) is None


async def test_what_nobody_approved_is_never_due(shreds, asked, now):
    await shreds.add(asked)
    assert await shreds.take_due(now=now + timedelta(days=999), again_after=AGAIN) is None


async def test_the_first_request_stays(shreds, asked):
    assert await shreds.add(asked) == asked
    assert await shreds.add(replace(asked, reason="another")) == asked


async def test_it_is_approved_once_and_not_due_before_its_time(shreds, asked, now):
    await shreds.add(asked)
    due_at = now + timedelta(days=7)
    assert await shreds.approve(asked.resource_id, by=OTTO, due_at=due_at)
    assert not await shreds.approve(asked.resource_id, by=GRACE, due_at=now)
    approved = replace(asked, state=ShredState.APPROVED, approved_by=OTTO, due_at=due_at)
    assert await shreds.find(asked.resource_id) == approved
    assert await shreds.take_due(now=due_at - timedelta(microseconds=1), again_after=AGAIN) is None


async def test_what_was_undone_is_not_due(shreds, asked, now):
    await shreds.add(asked)
    await shreds.approve(asked.resource_id, by=OTTO, due_at=now)
    assert await shreds.withdraw(asked.resource_id)
    assert await shreds.find(asked.resource_id) is None
    assert await shreds.take_due(now=now, again_after=AGAIN) is None


async def test_its_time_shuts_the_resource_and_cannot_be_undone(shreds, catalog, resource, asked, now):
    await shreds.add(asked)
    await shreds.approve(asked.resource_id, by=OTTO, due_at=now)
    taken = await shreds.take_due(now=now, again_after=AGAIN)
    assert taken.state is ShredState.DESTROYING
    assert (await catalog.find_resource(resource.name)).shredded_at == now
    assert not await shreds.withdraw(asked.resource_id)


async def test_one_of_many_instances_takes_it_and_another_when_that_one_died(shreds, asked, now):
    await shreds.add(asked)
    await shreds.approve(asked.resource_id, by=OTTO, due_at=now)
    taken = []

    async def take():
        taken.append(await shreds.take_due(now=now, again_after=AGAIN))

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(take)
    assert [one is not None for one in taken].count(True) == 1
    assert await shreds.take_due(now=now + AGAIN, again_after=AGAIN) is not None


async def test_what_is_done_keeps_its_proof_and_is_not_due_again(shreds, asked, now):
    await shreds.add(asked)
    await shreds.approve(asked.resource_id, by=OTTO, due_at=now)
    await shreds.take_due(now=now, again_after=AGAIN)
    await shreds.finish(asked.resource_id, at=now, proof={"unwrap-epoch-1": "integrity-error"})
    done = await shreds.find(asked.resource_id)
    assert (done.state, done.done_at, done.proof) == (ShredState.DONE, now, {"unwrap-epoch-1": "integrity-error"})
    assert await shreds.take_due(now=now + timedelta(days=1), again_after=AGAIN) is None
    assert not await shreds.withdraw(asked.resource_id)
