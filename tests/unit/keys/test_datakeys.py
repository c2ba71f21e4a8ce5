import asyncio
import dataclasses
from datetime import timedelta

import anyio
import pytest

from gateway.errors import IntegrityError, NotFound, Shredded, VaultUnavailable
from gateway.keys.datakeys import DataKeys, link_secret
from gateway.ports import NewDataKey, WrappedKey

pytestmark = pytest.mark.anyio


@pytest.fixture
def keys(vault, store, clock):
    return DataKeys(vault, store, clock, lifetime=timedelta(minutes=5))


@pytest.fixture
def elsewhere(vault, store, clock):
    """Another instance on the same Vault and database, with nothing in memory."""
    return DataKeys(vault, store, clock)


async def test_an_epoch_that_does_not_exist_is_refused(keys):
    await keys.current("r")
    with pytest.raises(NotFound, match="Data key 2 of resource r"):
        await keys.data_key("r", 2)


async def test_an_altered_wrapped_key_is_refused(keys, elsewhere, store):
    await keys.current("r")
    row = store.rows["r", 1]
    store.rows["r", 1] = dataclasses.replace(row, wrapped=row.wrapped[:-2] + "00")
    with pytest.raises(IntegrityError):
        await elsewhere.data_key("r", 1)


async def test_another_resources_wrapped_key_is_refused(keys, elsewhere, store):
    await keys.current("r")
    await keys.current("s")
    store.rows["s", 1] = dataclasses.replace(store.rows["r", 1], resource_id="s")
    with pytest.raises(IntegrityError):
        await elsewhere.data_key("s", 1)


async def test_a_key_of_another_length_is_refused(keys, vault, store, clock):
    await vault.create_kek("gateway-r")
    await store.add(WrappedKey("r", 1, vault._wrap("gateway-r", bytes(16)), clock()))
    with pytest.raises(IntegrityError, match="32 bytes"):
        await keys.data_key("r", 1)


async def test_vault_away_is_said_and_nothing_is_stored(keys, vault, store):
    vault.failure = VaultUnavailable("away")
    with pytest.raises(VaultUnavailable):
        await keys.current("r")
    assert store.rows == {}


async def test_the_first_key_is_made_once(keys, elsewhere):
    epoch, key = await keys.current("r")
    assert (epoch, len(key)) == (1, 32)
    assert await keys.current("r") == (1, key)
    assert await elsewhere.current("r") == (1, key)
    assert await elsewhere.data_key("r", 1) == key


async def test_the_instance_that_comes_second_takes_the_firsts_key(keys, elsewhere, vault, store, clock):
    async def slow_new_data_key(kek):
        if not store.rows:
            await elsewhere.current("r")
        plaintext = bytes(range(32))
        return NewDataKey(plaintext, vault._wrap(kek, plaintext))

    theirs = vault.new_data_key
    vault.new_data_key = slow_new_data_key
    elsewhere._vault = type("V", (), {"create_kek": vault.create_kek, "new_data_key": staticmethod(theirs)})()
    _, key = await keys.current("r")
    assert key != bytes(range(32))
    assert (await elsewhere.current("r"))[1] == key


async def test_the_newest_epoch_is_current(keys, vault, store, clock):
    await keys.current("r")
    second = await vault.new_data_key("gateway-r")
    await store.add(WrappedKey("r", 2, second.wrapped, clock()))
    assert await keys.current("r") == (2, second.plaintext)


async def test_a_key_is_unwrapped_again_only_when_its_time_is_over(keys, vault, clock):
    await keys.current("r")
    await keys.data_key("r", 1)
    assert vault.calls.count("unwrap") == 0
    clock.advance(minutes=5)
    await keys.data_key("r", 1)
    await keys.data_key("r", 1)
    assert vault.calls.count("unwrap") == 1


async def test_many_tasks_unwrap_once(keys, elsewhere, vault):
    _, key = await keys.current("r")
    assert await asyncio.gather(*(elsewhere.data_key("r", 1) for _ in range(50))) == [key] * 50
    assert vault.calls.count("unwrap") == 1


async def test_many_tasks_share_one_failure_and_the_next_tries_again(keys, elsewhere, vault):
    _, key = await keys.current("r")
    vault.failure = VaultUnavailable("away")
    outcomes = await asyncio.gather(*(elsewhere.data_key("r", 1) for _ in range(50)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {VaultUnavailable}
    assert vault.calls.count("unwrap") == 1
    vault.failure = None
    assert await elsewhere.data_key("r", 1) == key


async def test_a_caller_who_goes_away_leaves_the_others_their_key(keys, elsewhere, vault):
    _, key = await keys.current("r")
    gate, unwrap = asyncio.Event(), vault.unwrap

    async def gated(kek, wrapped):
        await gate.wait()
        return await unwrap(kek, wrapped)

    vault.unwrap = gated
    first, second = (asyncio.create_task(elsewhere.data_key("r", 1)) for _ in range(2))
    await asyncio.sleep(0.01)
    first.cancel()
    gate.set()
    assert await second == key
    assert vault.calls.count("unwrap") == 1
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_destroyed_key_opens_nothing_and_is_not_made_anew(keys, elsewhere, store):
    await keys.current("r")
    await store.destroy("r")
    for refused in (elsewhere.current("r"), elsewhere.data_key("r", 1)):
        with pytest.raises(Shredded):
            await refused


async def test_a_forgotten_key_is_asked_for_again(keys, vault):
    await keys.current("r")
    keys.forget("r", [1])
    await keys.data_key("r", 1)
    assert vault.calls.count("unwrap") == 1


async def test_close_leaves_no_key_in_memory(keys, vault):
    await keys.current("r")
    keys.close()
    await keys.data_key("r", 1)
    assert vault.calls.count("unwrap") == 1


async def test_a_key_whose_time_is_over_is_overwritten_also_when_nobody_asks_any_more(keys, clock, monkeypatch):
    monkeypatch.setattr("gateway.keys.datakeys._SWEEP_SECONDS", 0.001)
    await keys.current("r")
    clock.advance(minutes=5)
    with anyio.move_on_after(0.05):
        await keys.run()
    assert len(keys._cache) == 0


async def test_the_link_secret_is_one_for_all_instances_under_its_own_kek(keys, elsewhere, vault):
    secret = await link_secret(keys)
    assert len(secret) == 32
    assert await link_secret(elsewhere) == secret
    assert list(vault.keks) == ["gateway-links"]
