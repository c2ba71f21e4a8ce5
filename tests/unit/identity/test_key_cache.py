from datetime import timedelta

import anyio
import pytest
from joserfc.jwk import ECKey

from gateway.errors import IssuerUnavailable, UnknownSigningKey
from gateway.identity.key_cache import Freshness, KeyCache

pytestmark = pytest.mark.anyio
FRESHNESS = Freshness()


class Source:
    """An issuer's keys, with a count of how often they were fetched."""

    def __init__(self):
        self.keys = [ECKey.generate_key("P-256", {"kid": "k1"})]
        self.fetches = 0
        self.away = False
        self.gate = anyio.Event()
        self.gate.set()

    async def fetch(self):
        self.fetches += 1
        await self.gate.wait()
        if self.away:
            raise IssuerUnavailable("The issuer is away.", hint="Wait.")
        return tuple(self.keys)

    def add(self, key_id):
        self.keys.append(ECKey.generate_key("P-256", {"kid": key_id}))


@pytest.fixture
def source():
    return Source()


@pytest.fixture
def cache(source, clock):
    return KeyCache("The issuer", source.fetch, clock=clock)


async def test_an_unknown_key_is_fetched_at_most_once_a_minute(cache, source, clock):
    for _ in range(5):
        with pytest.raises(UnknownSigningKey, match="'k2'"):
            await cache.find("k2", "ES256")
    assert source.fetches == 1
    clock.advance(seconds=60)
    for _ in range(5):
        with pytest.raises(UnknownSigningKey):
            await cache.find("k2", "ES256")
    assert source.fetches == 2


async def test_a_new_key_is_picked_up_without_a_restart(cache, source, clock):
    await cache.find("k1", "ES256")
    source.add("k2")
    clock.advance(seconds=60)
    assert (await cache.find("k2", "ES256")).kid == "k2"
    assert source.fetches == 2


async def test_a_withdrawn_key_stops_verifying_after_the_greatest_age(cache, source, clock):
    await cache.find("k1", "ES256")
    source.add("k2")
    del source.keys[0]
    clock.advance(seconds=FRESHNESS.max_age.total_seconds())
    with pytest.raises(UnknownSigningKey):
        await cache.find("k1", "ES256")


async def test_the_last_good_keys_serve_through_an_outage_up_to_its_limit(cache, source, clock):
    await cache.find("k1", "ES256")
    source.away = True
    clock.now += FRESHNESS.outage - timedelta(seconds=1)
    assert (await cache.find("k1", "ES256")).kid == "k1"
    clock.advance(seconds=10)
    with pytest.raises(IssuerUnavailable, match="away"):
        await cache.find("k1", "ES256")


async def test_a_key_that_may_be_new_is_not_called_unknown_during_an_outage(cache, source, clock):
    await cache.find("k1", "ES256")
    source.away = True
    clock.now += FRESHNESS.refetch
    for _ in range(2):
        with pytest.raises(IssuerUnavailable):
            await cache.find("k2", "ES256")
    assert (await cache.find("k1", "ES256")).kid == "k1"
    assert source.fetches == 2


async def test_an_issuer_that_is_away_is_asked_again_after_a_pause(cache, source, clock):
    source.away = True
    for _ in range(3):
        with pytest.raises(IssuerUnavailable):
            await cache.find("k1", "ES256")
    assert source.fetches == 1
    source.away = False
    clock.now += FRESHNESS.retry
    assert (await cache.find("k1", "ES256")).kid == "k1"


async def test_all_who_wait_share_one_fetch(cache, source):
    source.gate = anyio.Event()
    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(cache.find, "k1", "ES256")
        await anyio.wait_all_tasks_blocked()
        source.gate.set()
    assert source.fetches == 1


async def test_nobody_waits_for_a_fetch_while_keys_are_at_hand(cache, source, clock):
    await cache.find("k1", "ES256")
    clock.now += FRESHNESS.max_age
    source.gate = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(cache.find, "k1", "ES256")
        await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(1):
            assert (await cache.find("k1", "ES256")).kid == "k1"
        source.gate.set()
    assert source.fetches == 2


async def test_a_caller_who_gives_up_leaves_the_fetch_to_the_next(cache, source):
    source.gate = anyio.Event()
    with anyio.move_on_after(0.01):
        await cache.find("k1", "ES256")
    source.gate.set()
    assert (await cache.find("k1", "ES256")).kid == "k1"


async def test_all_keys_are_fetched_anew_at_the_greatest_age(cache, source, clock):
    assert [key.kid for key in await cache.all()] == ["k1"]
    source.add("k2")
    assert len(await cache.all()) == 1
    clock.now += FRESHNESS.max_age
    assert len(await cache.all()) == 2
    source.away = True
    clock.now += FRESHNESS.outage
    with pytest.raises(IssuerUnavailable):
        await cache.all()
