"""What was refused for good is refused again without the database, on every instance; what was not, never is."""

from datetime import timedelta

import pytest

from gateway.identity.used_proofs import MemoryUsedProofs
from gateway.links.uses import MemoryLinkUses
from gateway.state import refusals as module
from gateway.state.refusals import Refusals, RememberedLinkUses, RememberedProofs

pytestmark = pytest.mark.anyio

LINK, PROOF = "0a" * 16, "0b" * 32


class Counted:
    """A store, and how often it was asked."""

    def __init__(self, store):
        self.store = store
        self.asked = 0

    async def take(self, *words, **options):
        self.asked += 1
        return await self.store.take(*words, **options)


@pytest.fixture
def later(now):
    return now + timedelta(minutes=5)


async def test_a_link_that_is_used_up_is_asked_about_once_more_and_no_more(now, later):
    store = Counted(MemoryLinkUses())
    uses = RememberedLinkUses(store, Refusals(lambda: now))
    assert [await uses.take(LINK, limit=2, expires_at=later) for _ in range(9)] == [True] * 2 + [False] * 7
    assert store.asked == 3


async def test_a_proof_that_was_shown_twice_is_asked_about_no_more(now, later):
    store = Counted(MemoryUsedProofs(lambda: now))
    proofs = RememberedProofs(store, Refusals(lambda: now))
    assert [await proofs.take(PROOF, until=later) for _ in range(9)] == [True] + [False] * 8
    assert store.asked == 2


async def test_a_refusal_that_is_over_is_asked_about_again(now, later):
    clock = [now]
    store = Counted(MemoryUsedProofs(lambda: clock[0]))
    proofs = RememberedProofs(store, Refusals(lambda: clock[0]))
    assert [await proofs.take(PROOF, until=later) for _ in range(3)] == [True, False, False]
    clock[0] = later
    assert await proofs.take(PROOF, until=later + timedelta(minutes=1))


async def test_another_instance_refuses_what_was_refused_here(now, later, announcing, until):
    one, two = announcing(), announcing()
    here, there = Refusals(lambda: now, one), Refusals(lambda: now, two)
    async with one.running(), two.running():
        await until(lambda: one.connected and two.connected)
        here.add("link x", until=later)
        await until(lambda: there.holds("link x"))
    assert not there.holds("link y")


@pytest.mark.parametrize(
    "text", ["", " ", "x link", "1893553445", "99999999999999999999 link", "1893553445 " + "x" * 101]
)
def test_what_other_instances_would_not_say_is_not_believed(now, text):
    refusals = Refusals(lambda: now)
    refusals._hear(text)
    assert not refusals._until


def test_memory_is_bounded(now, later, monkeypatch):
    monkeypatch.setattr(module, "CAPACITY", 3)
    refusals = Refusals(lambda: now)
    for number in range(9):
        refusals.add(str(number), until=later)
    assert [number for number in range(9) if refusals.holds(str(number))] == [6, 7, 8]
