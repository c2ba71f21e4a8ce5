"""A link ends with the login that asked for it, however long the gateway took to make it."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

pytestmark = pytest.mark.anyio

END = timedelta(seconds=120)


@pytest.fixture
def slow(digits, time):
    """A gateway whose Vault takes its time, and ada's login of two minutes."""
    unwrap = digits.keys._vault.unwrap

    async def after_a_while(kek, wrapped):
        time.advance(5)
        return await unwrap(kek, wrapped)

    digits.keys._vault.unwrap = after_a_while
    digits.people["ada"] = replace(digits.people["ada"], expires_at=time() + END)
    return digits


@pytest.mark.parametrize("mode", ["direct", "stream"])
async def test_a_login_that_ends_while_vault_answers_gets_no_link(slow, time, mode):
    slow.keys.close()
    time.advance(END.total_seconds() - 3)
    answer = await slow.links("ada", {"paths": ["a.csv"], "mode": mode})
    assert (answer.status_code, answer.json()["code"]) == (401, "token-expired")


@pytest.mark.parametrize("mode", ["direct", "stream"])
async def test_the_time_that_vault_takes_is_not_added(slow, time, mode):
    slow.keys.close()
    ends = time() + END
    answer = await slow.links("ada", {"paths": ["a.csv"], "mode": mode, "ttl_seconds": 300})
    assert time() > ends - END  # Vault was asked
    assert datetime.fromisoformat(answer.json()["links"][0]["expires_at"]) == ends
