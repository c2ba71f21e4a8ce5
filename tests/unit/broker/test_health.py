"""Readiness asks each part on its own and once at a time, and waits for none of them long."""

import asyncio
import threading

import anyio
import pytest
from anyio import to_thread

from gateway.broker.health import Health
from gateway.errors import GatewayError, InvalidInput, Unavailable, VaultUnavailable

pytestmark = pytest.mark.anyio


async def fine():
    pass


async def sealed():
    raise VaultUnavailable("Vault is sealed.")


async def odd():
    raise InvalidInput("a detail that is nobody's business")


async def breaks():
    raise ZeroDivisionError


async def hangs():
    await anyio.sleep_forever()


async def test_each_part_is_reported_in_order():
    report = await Health({"state": fine, "vault": sealed, "other": odd, "broken": breaks}).report()
    kinds = [(name, type(fault)) for name, fault in report.items()]
    assert kinds == [
        ("state", type(None)),
        ("vault", VaultUnavailable),
        ("other", InvalidInput),
        ("broken", GatewayError),
    ]


async def test_a_part_that_hangs_is_given_up():
    report = await Health({"vault": hangs, "state": fine}, patience=0.05).report()
    assert (type(report["vault"]), report["state"]) == (Unavailable, None)


async def test_a_part_that_blocks_a_thread_is_given_up_as_well_and_blocks_no_second_one():
    release, asked = threading.Event(), []

    def block():
        asked.append(1)
        release.wait(10)

    async def blocks():
        await to_thread.run_sync(block)

    health = Health({"vault": blocks}, patience=0.05)
    try:
        for _ in range(3):
            assert isinstance((await health.report())["vault"], Unavailable)
    finally:
        release.set()
    assert asked == [1]


async def test_many_who_ask_at_once_ask_a_part_once():
    asked = []

    async def counts():
        asked.append(1)
        await asyncio.sleep(0.01)

    health = Health({"state": counts})
    await asyncio.gather(*(health.report() for _ in range(50)))
    assert asked == [1]


async def test_a_part_that_comes_back_is_reported(monkeypatch):
    monkeypatch.setattr("gateway.broker.health._FRESH_SECONDS", 0)
    answers = iter([VaultUnavailable("Vault is sealed."), None])

    async def changes():
        if answer := next(answers):
            raise answer

    health = Health({"vault": changes})
    assert isinstance((await health.report())["vault"], VaultUnavailable)
    assert (await health.report())["vault"] is None


async def test_what_is_wrong_is_logged_once_for_the_operator(monkeypatch, caplog):
    monkeypatch.setattr("gateway.broker.health._FRESH_SECONDS", 0)
    health = Health({"vault": sealed})
    await health.report()
    await health.report()
    assert [record.getMessage().strip() for record in caplog.records] == ["vault: Vault is sealed."]
