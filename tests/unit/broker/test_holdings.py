"""An instance says what it holds, and goes on saying it whatever fails."""

import logging

import pytest

from gateway.broker.holdings import Holdings
from gateway.errors import StateUnavailable, VaultUnavailable
from gateway.model import Holding, Secret

pytestmark = pytest.mark.anyio

KEY = Holding(Secret.LINK_KEY, "1", ("1",))


class Said:
    """The port `HoldingStore`, in memory."""

    def __init__(self):
        self.rows = {}
        self.failure = None
        self.writes = 0

    async def report(self, instance, holdings):
        if self.failure:
            raise self.failure
        self.writes += 1
        self.rows[instance] = [*holdings]

    async def withdraw(self, instance):
        self.rows.pop(instance)


@pytest.fixture
def said():
    return Said()


async def vault_away():
    raise VaultUnavailable("Vault is sealed.")


async def breaks():
    raise ZeroDivisionError


async def test_what_cannot_be_asked_stays_as_it_was_and_is_logged_once(said, caplog):
    answers = [KEY]

    async def once():
        return answers.pop() if answers else await vault_away()

    holdings = Holdings("a", said, {Secret.LINK_KEY: once})
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            await holdings.look()
    assert said.rows == {"a": [KEY]}
    assert [record.message for record in caplog.records] == [
        "link-key: what this instance holds cannot be followed: Vault is sealed."
    ]


async def test_a_database_that_is_away_ends_nothing(said, caplog):
    async def held():
        return KEY

    holdings = Holdings("a", said, {Secret.LINK_KEY: held})
    said.failure = StateUnavailable("away")
    await holdings.look()
    said.failure = None
    await holdings.look()
    assert said.rows == {"a": [KEY]}


async def test_a_failure_that_nobody_foresaw_is_logged_and_ends_nothing(said, caplog):
    await Holdings("a", said, {Secret.LINK_KEY: breaks}).look()
    assert "could not be said" in caplog.text


async def test_an_instance_that_stops_withdraws(said):
    async def held():
        return KEY

    holdings = Holdings("a", said, {Secret.LINK_KEY: held})
    await holdings.look()
    await holdings.close()
    assert said.rows == {}


async def test_what_has_not_changed_is_not_written_at_every_look(said):
    keys = [KEY]

    async def held():
        return keys[-1]

    holdings = Holdings("a", said, {Secret.LINK_KEY: held})
    for _ in range(3):
        await holdings.look()
    assert said.writes == 1
    keys.append(Holding(Secret.LINK_KEY, "2", ("1", "2")))
    await holdings.look()
    assert (said.writes, said.rows) == (2, {"a": [keys[-1]]})
