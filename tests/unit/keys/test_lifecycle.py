"""Rotation, new epochs, retirement and destruction, on a vault in memory that counts."""

import asyncio

import pytest

from gateway.errors import IntegrityError, Shredded, StillNeeded, VaultUnavailable
from gateway.keys.datakeys import DataKeys
from gateway.keys.lifecycle import Lifecycle

pytestmark = pytest.mark.anyio


@pytest.fixture
def keys(vault, store, clock):
    return DataKeys(vault, store, clock)


@pytest.fixture
def lifecycle(vault, store, clock):
    return Lifecycle(vault, store, clock)


@pytest.fixture
def elsewhere(vault, store, clock):
    """Another instance on the same Vault and database."""
    return Lifecycle(vault, store, clock)


def fresh(vault, store, clock):
    """An instance with nothing in memory."""
    return DataKeys(vault, store, clock)


class TestRetirement:
    async def test_it_is_refused_while_a_data_key_hangs_on_an_older_version_and_names_it(
        self, keys, lifecycle, vault, clock
    ):
        await keys.current("r")
        await vault.rotate_kek("gateway-r")
        clock.advance(minutes=1)
        with pytest.raises(StillNeeded, match=r"epochs 1 \(version 1\)") as refusal:
            await lifecycle.retire("r")
        assert "gateway keys rotate" in refusal.value.hint
        assert vault.oldest == {}

    async def test_it_is_refused_while_a_key_may_be_on_its_way(self, keys, lifecycle, vault, clock):
        await keys.current("r")
        await lifecycle.rotate("r")
        with pytest.raises(StillNeeded, match="on its way") as refusal:
            await lifecycle.retire("r")
        assert refusal.value.hint == "Try again in 30 s."
        assert vault.oldest == {}

    async def test_it_is_taken_back_when_a_key_turns_up_under_an_older_version(
        self, keys, lifecycle, vault, store, clock
    ):
        await keys.current("r")
        late = await vault.new_data_key("gateway-r")
        await lifecycle.rotate("r")
        clock.advance(minutes=1)
        retire = vault.retire_kek

        async def beaten(kek, *, before):
            await retire(kek, before=before)
            if before == 2:
                row = store.rows["r", 1]
                store.rows["r", 2] = type(row)("r", 2, late.wrapped, clock())

        vault.retire_kek = beaten
        with pytest.raises(StillNeeded, match=r"epochs 2 \(version 1\)"):
            await lifecycle.retire("r")
        assert await vault.unwrap("gateway-r", late.wrapped) == late.plaintext

    async def test_before_the_first_push_there_is_nothing_to_retire(self, lifecycle):
        with pytest.raises(IntegrityError, match="no key"):
            await lifecycle.retire("r")

    async def test_afterwards_old_text_opens_nothing_and_all_data_keys_do(self, keys, lifecycle, vault, store, clock):
        _, key = await keys.current("r")
        old = store.rows["r", 1].wrapped
        await lifecycle.rotate("r")
        clock.advance(minutes=1)
        assert await lifecycle.retire("r") == 2
        with pytest.raises(IntegrityError):
            await vault.unwrap("gateway-r", old)
        assert await fresh(vault, store, clock).data_key("r", 1) == key


class TestRotation:
    async def test_it_rewraps_every_epoch_and_keeps_the_keys(self, keys, lifecycle, vault, store, clock):
        _, first = await keys.current("r")
        assert await lifecycle.new_epoch("r") == 2
        assert await lifecycle.rotate("r") == (2, 2)
        assert all(row.kek_version == 2 for row in store.rows.values())
        assert await fresh(vault, store, clock).data_key("r", 1) == first

    async def test_before_the_first_push_it_makes_the_kek(self, lifecycle):
        assert await lifecycle.rotate("r") == (2, 0)

    async def test_rotations_beside_each_other_end_on_the_newest_version(
        self, keys, lifecycle, elsewhere, vault, store, clock
    ):
        _, key = await keys.current("r")
        replace, raced = store.replace, []

        async def slow_replace(row, *, rewrapped):
            if not raced:
                raced.append(True)
                await elsewhere.rotate("r")  # a whole rotation between our rewrap and our swap
            return await replace(row, rewrapped=rewrapped)

        store.replace = slow_replace
        assert await lifecycle.rotate("r") == (2, 1)
        assert store.rows["r", 1].kek_version == 3
        assert await fresh(vault, store, clock).data_key("r", 1) == key

    async def test_a_key_shredded_meanwhile_stays_shredded(self, keys, lifecycle, store):
        await keys.current("r")

        async def shredded(row, *, rewrapped):
            await store.destroy("r")
            return False

        store.replace = shredded
        assert await lifecycle.rotate("r") == (2, 0)
        assert store.rows["r", 1].wrapped == ""

    async def test_no_read_fails_while_keys_are_rotated(self, keys, lifecycle, vault, store, clock):
        _, key = await keys.current("r")
        stop = asyncio.Event()

        async def read():
            reads = 0
            while not stop.is_set():
                assert await fresh(vault, store, clock).data_key("r", 1) == key
                reads += 1
                await asyncio.sleep(0)
            return reads

        readers = [asyncio.create_task(read()) for _ in range(4)]
        for _ in range(20):
            await lifecycle.rotate("r")
            await asyncio.sleep(0)
        stop.set()
        assert all(await asyncio.gather(*readers))
        assert store.rows["r", 1].kek_version == 21

    async def test_what_a_cut_off_rotation_left_behind_is_rewrapped(self, keys, lifecycle, vault, store):
        await keys.current("r")
        await vault.rotate_kek("gateway-r")
        assert await lifecycle.rewrap(await lifecycle.describe("r")) == 1
        assert await lifecycle.rewrap(await lifecycle.describe("r")) == 0
        assert store.rows["r", 1].kek_version == 2


class TestEpochs:
    async def test_a_new_epoch_is_current_everywhere_at_once_and_the_old_one_still_opens(self, keys, lifecycle):
        _, first = await keys.current("r")
        assert await lifecycle.new_epoch("r") == 2
        epoch, second = await keys.current("r")
        assert (epoch, second == first) == (2, False)
        assert await keys.data_key("r", 1) == first

    async def test_before_the_first_push_it_is_the_first(self, keys, lifecycle):
        assert await lifecycle.new_epoch("r") == 1
        assert (await keys.current("r"))[0] == 1

    async def test_of_two_that_begin_it_at_once_one_key_stays(self, keys, lifecycle, elsewhere, vault, store):
        await keys.current("r")
        make = vault.new_data_key

        async def slow(kek):
            await asyncio.sleep(0)
            return await make(kek)

        vault.new_data_key = slow
        assert await asyncio.gather(lifecycle.new_epoch("r"), elsewhere.new_epoch("r")) == [2, 2]
        assert sorted(epoch for _, epoch in store.rows) == [1, 2]

    async def test_vault_away_is_said_and_nothing_is_stored(self, keys, lifecycle, vault, store):
        await keys.current("r")
        vault.failure = VaultUnavailable("away")
        with pytest.raises(VaultUnavailable):
            await lifecycle.new_epoch("r")
        assert len(store.rows) == 1


class TestDestruction:
    async def test_destroyed_keys_are_looked_after_no_more(self, keys, lifecycle, vault):
        await keys.current("r")
        assert await lifecycle.destroy("r", vault) == 1
        for refused in (lifecycle.rotate, lifecycle.new_epoch, lifecycle.retire, lifecycle.describe):
            with pytest.raises(Shredded):
                await refused("r")
        assert vault.keks == {}

    async def test_what_was_wrapped_opens_nothing_afterwards(self, keys, lifecycle, vault, store):
        await keys.current("r")
        wrapped = store.rows["r", 1].wrapped
        await lifecycle.destroy("r", vault)
        with pytest.raises(IntegrityError):
            await vault.unwrap("gateway-r", wrapped)

    async def test_vault_away_leaves_it_to_be_done_again(self, keys, lifecycle, vault):
        await keys.current("r")
        vault.failure = VaultUnavailable("away")
        with pytest.raises(VaultUnavailable):
            await lifecycle.destroy("r", vault)
        vault.failure = None
        assert await lifecycle.destroy("r", vault) == 1
        assert vault.keks == {}


async def test_the_state_names_what_hangs_on_what(keys, lifecycle, vault):
    await keys.current("r")
    await vault.rotate_kek("gateway-r")
    await lifecycle.new_epoch("r")
    state = await lifecycle.describe("r")
    assert (state.kek.newest, state.kek.oldest, state.newest_epoch) == (2, 1, 2)
    assert [(row.epoch, row.kek_version) for row in state.rows] == [(1, 1), (2, 2)]


async def test_a_resource_without_keys_has_no_state(lifecycle):
    assert await lifecycle.describe("r") is None
