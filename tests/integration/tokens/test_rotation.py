"""The key of gateway tokens is rotated in the real OpenBao while tokens are out."""

from datetime import timedelta

import pytest

from gateway.clock import utc_now
from gateway.identity import GatewayTokens
from gateway.identity.jws import SignedToken
from gateway.keys.vault import TransitVault
from gateway.model import Principal, PrincipalKind

pytestmark = [pytest.mark.anyio, pytest.mark.integration]

ADA = Principal("people", "1", PrincipalKind.USER, "ada")


@pytest.fixture
def vault(own_vault_settings):
    vault = TransitVault(own_vault_settings, utc_now)
    yield vault
    vault.close()


@pytest.fixture
def rotate(operator, own_vault_settings):
    def turn():
        operator.write(f"{own_vault_settings.transit_mount}/keys/gateway-tokens/rotate")

    return turn


def tokens_of(vault):
    return GatewayTokens(vault, "https://gateway.example.org", utc_now)


async def test_old_tokens_verify_until_they_end_and_new_ones_have_the_new_key(vault, rotate):
    ours, another = tokens_of(vault), tokens_of(vault)
    before = (await ours.issue(ADA, client_id="c")).access_token
    await another.verify(before)
    rotate()
    await ours.holding()  # as its instance asks every other second
    after = (await ours.issue(ADA, client_id="c")).access_token
    kids = [SignedToken.parse(text).key_id for text in (before, after)]
    assert kids[0] != kids[1]
    fresh = tokens_of(vault)
    for text in (before, after):
        assert (await fresh.verify(text)).name == "ada"
    assert [key["kid"] for key in (await fresh.jwks())["keys"]] == kids


async def test_an_instance_that_rotated_nothing_itself_picks_the_new_key_up(vault, rotate):
    clock = [utc_now()]
    ours, another = tokens_of(vault), GatewayTokens(vault, "https://gateway.example.org", lambda: clock[0])
    await another.verify((await ours.issue(ADA, client_id="c")).access_token)
    rotate()
    await ours.holding()
    after = (await ours.issue(ADA, client_id="c")).access_token
    clock[0] += timedelta(seconds=11)  # unknown keys are asked for at most every ten seconds
    assert (await another.verify(after)).name == "ada"
