"""Whoever a principal is, a gateway token carries them unchanged; whatever is altered in it, it is refused."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey
from joserfc.jws import JWSRegistry

from gateway.errors import Unauthenticated
from gateway.identity import GatewayTokens
from gateway.model import Principal, PrincipalKind
from gateway.ports import SigningKey

NOW = datetime(2030, 1, 1, 12, 0, 0, tzinfo=UTC)
KEY = ECKey.generate_key("P-256", {"kid": "v1"})


class Signer:
    async def public_keys(self):
        return [SigningKey("v1", KEY.as_pem(private=False).decode(), NOW)]

    async def sign(self, message, *, key_id=""):
        return "v1", JWSRegistry.algorithms["ES256"].sign(message, KEY)


TOKENS = GatewayTokens(Signer(), "https://gateway.example.org", lambda: NOW)
TEXTS = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=30)
JSON = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS | st.lists(TEXTS, max_size=3)
PRINCIPALS = st.builds(
    Principal,
    issuer=st.from_regex(r"[a-z0-9][a-z0-9-]{0,31}", fullmatch=True),
    subject=TEXTS,
    kind=st.sampled_from(PrincipalKind),
    name=TEXTS,
    groups=st.frozensets(TEXTS, max_size=5),
    claims=st.dictionaries(TEXTS, JSON, max_size=3),
    tags=st.dictionaries(TEXTS, TEXTS, max_size=3),
    acr=st.none() | TEXTS,
    amr=st.lists(TEXTS, max_size=3).map(tuple),
    auth_time=st.none() | st.integers(0, 2**31).map(lambda second: datetime.fromtimestamp(second, UTC)),
    expires_at=st.integers(1, 10**6).map(lambda second: NOW + timedelta(seconds=second)),
    session_policies=st.lists(TEXTS, max_size=2).map(tuple),
    client_id=st.just("") | TEXTS,
    login_at=st.none() | st.integers(0, 2**31).map(lambda second: datetime.fromtimestamp(second, UTC)),
    origins=st.lists(TEXTS, max_size=2).map(tuple),
    key_thumbprint=st.just("") | st.from_regex(r"[A-Za-z0-9_-]{43}", fullmatch=True),
)


def issue(principal):
    async def run():
        return await TOKENS.issue(principal, client_id="cli")

    return anyio.run(run)


@given(PRINCIPALS)
def test_a_principal_survives(principal):
    answer = issue(principal)
    assert anyio.run(TOKENS.verify, answer.access_token) == answer.principal
    assert replace(answer.principal, token_id="", expires_at=principal.expires_at) == principal


@given(st.data())
def test_no_altered_token_is_accepted(data):
    text = issue(data.draw(PRINCIPALS)).access_token
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(min_codepoint=32, max_codepoint=126).filter(lambda char: char != text[at]))
    with pytest.raises(Unauthenticated):
        anyio.run(TOKENS.verify, text[:at] + other + text[at + 1 :])
