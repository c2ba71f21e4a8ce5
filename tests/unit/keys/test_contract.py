"""What any `KeyVault` does: the one in memory that other tests use, and the real one on OpenBao."""

import secrets

import pytest

from gateway.clock import utc_now
from gateway.errors import IntegrityError
from gateway.keys.vault import TransitVault

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory", pytest.param("openbao", marks=pytest.mark.integration)])
def any_vault(request):
    if request.param == "memory":
        yield request.getfixturevalue("vault")
        return
    real = TransitVault(request.getfixturevalue("vault_settings"), utc_now)
    yield real
    real.close()


@pytest.fixture
async def kek(any_vault):
    name = f"gateway-{secrets.token_hex(16)}"
    await any_vault.create_kek(name)
    return name


@pytest.mark.parametrize("text", ["", "vault:v1:", "vault:v1:AAAA", "vault:v9:AAAA", "no such form"])
async def test_text_that_was_never_wrapped_does_not_open(any_vault, kek, text):
    with pytest.raises(IntegrityError):
        await any_vault.unwrap(kek, text)


async def test_another_kek_does_not_open_it(any_vault, kek):
    other = f"gateway-{secrets.token_hex(16)}"
    await any_vault.create_kek(other)
    wrapped = (await any_vault.new_data_key(kek)).wrapped
    with pytest.raises(IntegrityError):
        await any_vault.unwrap(other, wrapped)
    with pytest.raises(IntegrityError):
        await any_vault.rewrap(other, wrapped)


async def test_a_kek_that_does_not_exist_opens_nothing(any_vault, kek):
    wrapped = (await any_vault.new_data_key(kek)).wrapped
    with pytest.raises(IntegrityError):
        await any_vault.unwrap(f"gateway-{secrets.token_hex(16)}", wrapped)


async def test_data_keys_are_32_bytes_each_another_and_open_again(any_vault, kek):
    one, two = await any_vault.new_data_key(kek), await any_vault.new_data_key(kek)
    assert len(one.plaintext) == len(two.plaintext) == 32
    assert one.plaintext != two.plaintext
    assert await any_vault.unwrap(kek, one.wrapped) == one.plaintext
    assert await any_vault.unwrap(kek, two.wrapped) == two.plaintext


async def test_making_a_kek_again_changes_nothing(any_vault, kek):
    key = await any_vault.new_data_key(kek)
    await any_vault.create_kek(kek)
    assert await any_vault.unwrap(kek, key.wrapped) == key.plaintext
    assert await any_vault.rotate_kek(kek) == 2


async def test_after_rotation_old_text_opens_and_rewraps_to_the_new_version(any_vault, kek):
    key = await any_vault.new_data_key(kek)
    assert key.wrapped.startswith("vault:v1:")
    assert await any_vault.rotate_kek(kek) == 2
    assert await any_vault.unwrap(kek, key.wrapped) == key.plaintext
    rewrapped = await any_vault.rewrap(kek, key.wrapped)
    assert rewrapped.startswith("vault:v2:")
    assert await any_vault.unwrap(kek, rewrapped) == key.plaintext
    assert (await any_vault.new_data_key(kek)).wrapped.startswith("vault:v2:")


async def test_what_was_retired_opens_nothing_until_it_is_taken_back(any_vault, kek):
    key = await any_vault.new_data_key(kek)
    await any_vault.rotate_kek(kek)
    assert sorted((await any_vault.describe_kek(kek)).made_at) == [1, 2]
    await any_vault.retire_kek(kek, before=2)
    described = await any_vault.describe_kek(kek)
    assert (described.newest, described.oldest, sorted(described.made_at)) == (2, 2, [2])
    for refused in (any_vault.unwrap(kek, key.wrapped), any_vault.rewrap(kek, key.wrapped)):
        with pytest.raises(IntegrityError):
            await refused
    await any_vault.retire_kek(kek, before=1)
    assert await any_vault.unwrap(kek, key.wrapped) == key.plaintext


async def test_a_version_that_does_not_exist_cannot_be_the_oldest(any_vault, kek):
    with pytest.raises(IntegrityError):
        await any_vault.retire_kek(kek, before=9)


async def test_a_kek_that_does_not_exist_is_none(any_vault):
    assert await any_vault.describe_kek(f"gateway-{secrets.token_hex(16)}") is None


async def test_a_ready_vault_passes_its_check(any_vault):
    await any_vault.check()
