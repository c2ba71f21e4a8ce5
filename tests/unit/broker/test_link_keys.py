"""Stream links survive the rotation of the key that seals them, on every instance, and end when it goes."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.broker.link_keys import LinkKeys
from gateway.errors import LinkRefused, VaultUnavailable
from gateway.keys.datakeys import LINKS, DataKeys
from gateway.links.claims import StreamGrant
from gateway.links.restrictions import UNRESTRICTED
from gateway.model import FileEntry, Principal, PrincipalKind, ResourceName
from gateway.ports import NewDataKey, WrappedKey

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ADA = Principal("people", "1", PrincipalKind.USER, "ada")
FILE = FileEntry("a.csv", 1, "0" * 64, "0" * 32 + "/0", 1, "0" * 32)
GRANT = StreamGrant(ADA, "0" * 32, ResourceName.parse("dataset/vision/digits"), 1, FILE, restrictions=UNRESTRICTED)
MINUTE = timedelta(minutes=1)


class Vault:
    """Keys that are what they are wrapped in."""

    def __init__(self):
        self.away = False

    async def create_kek(self, kek):
        pass

    async def new_data_key(self, kek):
        return NewDataKey(b"1" * 32, "v:1")

    async def unwrap(self, kek, wrapped):
        if self.away:
            raise VaultUnavailable("Vault is sealed.")
        return wrapped.removeprefix("v:").encode() * 32


class Rows:
    """The wrapped secrets."""

    def __init__(self):
        self.rows = {}

    async def newest(self, resource_id):
        return self.rows[max(self.rows)] if self.rows else None

    async def find(self, resource_id, epoch):
        return self.rows.get(epoch)

    async def all(self, resource_id):
        return [self.rows[epoch] for epoch in sorted(self.rows)]

    async def add(self, key):
        return self.rows.setdefault(key.epoch, key)


@pytest.fixture
def clock():
    return Clock()


class Clock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def vault():
    return Vault()


@pytest.fixture
def rows():
    return Rows()


@pytest.fixture
def instance(vault, rows, clock):
    """Starts an instance of the gateway, as far as stream links go."""

    def start():
        keys = DataKeys(vault, rows, clock)
        return LinkKeys(keys, rows, clock, base_url="https://g", settle=timedelta(seconds=10))

    return start


def add(rows, epoch, at):
    rows.rows[epoch] = WrappedKey(LINKS, epoch, f"v:{epoch}", at)


async def link(keys):
    return (await keys()).issue(GRANT, expires_in=MINUTE).url.rpartition("/")[2]


async def test_a_key_that_is_gone_opens_nothing(instance, rows, clock):
    one = instance()
    old = await link(one)
    add(rows, 2, NOW)
    clock.now += timedelta(seconds=10)
    await one.holding()
    del rows.rows[1]
    assert (await one.holding()).accepts == ("2",)
    with pytest.raises(LinkRefused):
        (await one()).open(old)


async def test_whatever_the_order_in_which_instances_learn_of_a_key_no_link_is_refused(instance, rows, clock):
    one, two = instance(), instance()
    before = await link(one)
    await two()
    add(rows, 2, NOW)
    assert ((await one.holding()).uses, (await one.holding()).accepts) == ("1", ("1", "2"))
    clock.now += timedelta(seconds=2)
    (await two()).open(await link(one))  # two has not looked yet, and one does not seal with the new one yet
    await two.holding()
    clock.now += timedelta(seconds=8)
    assert (await one.holding()).uses == "2"
    for sealed in (before, await link(one)):
        (await two()).open(sealed)


async def test_an_instance_that_starts_in_between_seals_with_what_all_know(instance, rows, clock):
    await instance()()
    clock.now += MINUTE
    add(rows, 2, clock.now)
    assert (await instance().holding()).uses == "1"


async def test_the_first_key_of_all_is_made_and_used_at_once(instance, rows):
    assert (await instance().holding()).uses == "1"
    assert list(rows.rows) == [1]


async def test_without_vault_the_keys_at_hand_go_on(instance, rows, vault):
    one = instance()
    old = await link(one)
    vault.away = True
    add(rows, 2, NOW)
    with pytest.raises(VaultUnavailable):
        await one.holding()
    (await one()).open(old)
