from dataclasses import replace
from datetime import timedelta

import anyio
import pytest

from gateway.ports import WrappedKey
from gateway.state.keys import SqlWrappedKeys

pytestmark = pytest.mark.anyio
ID = "0" * 32


@pytest.fixture
def keys(database):
    return SqlWrappedKeys(database)


@pytest.fixture
def key(now):
    return WrappedKey(ID, 1, "vault:v1:abc", now)


async def test_what_is_not_there_is_none(keys, key):
    assert await keys.newest(ID) is None
    assert await keys.find(ID, 1) is None
    assert await keys.all(ID) == []
    assert not await keys.replace(key, rewrapped="vault:v2:def")


async def test_a_key_is_not_replaced_by_one_who_saw_an_older_text(keys, key):
    await keys.add(key)
    assert await keys.replace(key, rewrapped="vault:v2:def")
    assert not await keys.replace(key, rewrapped="vault:v2:late")
    assert await keys.find(ID, 1) == replace(key, wrapped="vault:v2:def")


async def test_replacing_one_epoch_leaves_the_others(keys, key):
    second = replace(key, epoch=2)
    await keys.add(key)
    await keys.add(second)
    await keys.replace(key, rewrapped="vault:v2:def")
    assert await keys.find(ID, 2) == second


async def test_the_newest_key_is_that_of_the_highest_epoch(keys, key):
    epochs = [replace(key, epoch=epoch) for epoch in (2, 10, 1)]
    for epoch in epochs:
        await keys.add(epoch)
    await keys.add(replace(key, resource_id="1" * 32, epoch=11))
    assert await keys.newest(ID) == epochs[1]
    assert [found.epoch for found in await keys.all(ID)] == [1, 2, 10]


async def test_the_first_of_those_who_add_at_once_stays(keys, key):
    added = []

    async def add(wrapped):
        added.append(await keys.add(replace(key, wrapped=wrapped)))

    async with anyio.create_task_group() as group:
        for number in range(8):
            group.start_soon(add, f"vault:v1:{number}")
    assert len(added) == 8
    assert set(added) == {await keys.find(ID, 1)}


async def test_the_gateways_own_keys_belong_to_no_resource(keys, key):
    own = replace(key, resource_id="gateway-links")
    assert await keys.add(own) == await keys.newest("gateway-links") == own


async def test_all_resources_that_have_a_key_are_told_once_and_since_when(keys, key, now):
    assert (await keys.resource_ids(), await keys.oldest()) == ([], None)
    for resource_id, epoch, age in (("b", 1, 3), ("a", 1, 5), ("a", 2, 1)):
        made_at = now - timedelta(days=age)
        await keys.add(replace(key, resource_id=resource_id, epoch=epoch, created_at=made_at))
    assert await keys.resource_ids() == ["a", "b"]
    assert await keys.oldest() == now - timedelta(days=5)


async def test_what_is_removed_is_what_is_older_of_this_resource_alone(keys, key):
    for resource_id, epoch in (("a", 1), ("a", 2), ("a", 3), ("b", 1)):
        await keys.add(replace(key, resource_id=resource_id, epoch=epoch))
    assert await keys.remove("a", before=3) == 2
    assert [row.epoch for row in await keys.all("a")] == [3]
    assert [row.epoch for row in await keys.all("b")] == [1]
