"""Leases are kept until they end."""

from datetime import timedelta

import pytest

from gateway.model import Lease, ResourceName
from gateway.state.leases import SqlLeases

pytestmark = pytest.mark.anyio

DIGITS = ResourceName.parse("dataset/vision/digits")
DAY = timedelta(days=1)


@pytest.fixture
def new_lease(now):
    def make(digit="a", life=DAY):
        return Lease(digit * 32, "jobs", "trainer-1", "trainer", (DIGITS,), "run 4711", now, now + life)

    return make


@pytest.fixture
def leases(database, now):
    return SqlLeases(database, lambda: now)


async def test_a_lease_that_was_not_made_is_not_found(leases):
    assert await leases.find("a" * 32) is None


async def test_a_lease_is_found_as_it_was_made(leases, new_lease):
    await leases.add(new_lease())
    assert await leases.find("a" * 32) == new_lease()


async def test_leases_in_force_are_listed_in_order_and_from_a_place_on(leases, new_lease):
    for digit in "bca":
        await leases.add(new_lease(digit))
    assert [lease.id[0] for lease in await leases.in_force(after="", limit=2)] == ["a", "b"]
    assert [lease.id[0] for lease in await leases.in_force(after="b" * 32, limit=2)] == ["c"]


async def test_a_lease_that_has_ended_is_not_listed_and_goes_with_the_next(database, new_lease, now):
    clock = [now]
    leases = SqlLeases(database, lambda: clock[0])
    await leases.add(new_lease("a", life=DAY))
    clock[0] = now + DAY
    assert await leases.in_force(after="", limit=10) == []
    await leases.add(new_lease("b", life=2 * DAY))
    assert await leases.find("a" * 32) is None
