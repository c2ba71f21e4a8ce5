"""Readiness asks each part on its own, and waits for none of them long."""

import anyio
import pytest

from gateway.broker.health import Health
from gateway.errors import InvalidInput, VaultUnavailable

pytestmark = pytest.mark.anyio


async def fine():
    pass


async def sealed():
    raise VaultUnavailable("Vault is sealed.")


async def odd():
    raise InvalidInput("a detail that is nobody's business")


async def hangs():
    await anyio.sleep_forever()


async def test_each_part_is_reported_in_order():
    report = await Health({"state": fine, "vault": sealed, "other": odd}).report()
    assert list(report.items()) == [("state", "ok"), ("vault", "Vault is sealed."), ("other", "invalid-input")]


async def test_a_part_that_hangs_is_given_up():
    report = await Health({"vault": hangs, "state": fine}, patience=0.05).report()
    assert report == {"vault": "no answer in 0.05 s", "state": "ok"}
