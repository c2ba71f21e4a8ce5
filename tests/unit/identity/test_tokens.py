from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.errors import (
    AlgorithmRefused,
    BadSignature,
    InvalidToken,
    TokenExpired,
    TooLarge,
    UnknownIssuer,
    UnknownSigningKey,
    VaultUnavailable,
    WrongTokenType,
)
from gateway.identity.jws import SignedToken
from gateway.identity.tokens import MAX_LIFETIME, GatewayTokens
from gateway.model import Principal, PrincipalKind

pytestmark = pytest.mark.anyio
URL = "https://gateway.example.org"


@pytest.fixture
def tokens(signer, clock):
    return GatewayTokens(signer, URL, clock)


@pytest.fixture
def ada(clock):
    return Principal(
        issuer="people",
        subject="u1:with:colons",
        kind=PrincipalKind.USER,
        name="ada",
        groups=frozenset({"ml-research", "staff"}),
        claims={"hd": "example.org", "nested": {"a": [1, True]}},
        tags={"team": "vision"},
        acr="mfa",
        amr=("pwd", "otp"),
        auth_time=clock() - timedelta(minutes=1),
        session_policies=('{"Statement": []}',),
        expires_at=clock() + timedelta(hours=8),
        client_id="web",
        login_at=clock() - timedelta(minutes=1),
        token_id="id-1",
    )


async def issued(tokens, who):
    return (await tokens.issue(who, client_id="cli")).access_token


async def test_a_token_ends_at_its_expiry_to_the_second(tokens, ada, clock):
    text = await issued(tokens, ada)
    clock.advance(minutes=59, seconds=59)
    assert (await tokens.verify(text)).name == "ada"
    clock.advance(seconds=1)
    with pytest.raises(TokenExpired):
        await tokens.verify(text)


async def test_an_expired_subject_token_gets_nothing(tokens, ada, clock):
    with pytest.raises(TokenExpired):
        await tokens.issue(replace(ada, expires_at=clock()), client_id="cli")


async def test_a_token_never_outlives_an_hour_whatever_the_settings_say(signer, ada, clock):
    answer = await GatewayTokens(signer, URL, clock, lifetime=timedelta(days=1)).issue(ada, client_id="cli")
    assert answer.expires_in == MAX_LIFETIME


async def test_a_token_never_outlives_the_token_that_proved_who_it_is(tokens, ada, clock):
    answer = await tokens.issue(
        replace(ada, expires_at=clock() + timedelta(minutes=7, milliseconds=900)), client_id="c"
    )
    assert answer.expires_in == timedelta(minutes=7)


async def test_a_principal_survives_the_way_through_a_token(tokens, ada):
    answer = await tokens.issue(ada, client_id="cli")
    assert await tokens.verify(answer.access_token) == answer.principal
    assert replace(answer.principal, token_id="id-1", expires_at=ada.expires_at, origins=()) == ada
    assert answer.principal.origins == ("id-1",)


async def test_each_token_has_an_id_of_its_own(tokens, ada):
    first, second = [await tokens.issue(ada, client_id="cli") for _ in range(2)]
    assert len({first.principal.token_id, second.principal.token_id, ""}) == 3


async def test_a_token_is_an_access_token_as_rfc_9068_has_it(tokens, ada):
    token = SignedToken.parse(await issued(tokens, ada))
    assert token.media_type == "at+jwt"
    assert {"iss", "exp", "aud", "sub", "client_id", "iat", "jti"} <= token.unverified_claims.keys()
    assert token.unverified_claims["sub"] == "people:u1:with:colons"


async def test_the_answer_shows_no_token_in_its_repr(tokens, ada):
    answer = await tokens.issue(ada, client_id="cli")
    assert answer.access_token not in repr(answer)
    assert answer.to_response() == {
        "access_token": answer.access_token,
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "token_type": "Bearer",
        "expires_in": 3600,
    }


async def test_a_token_of_another_gateway_is_refused(tokens, signer, ada, clock):
    with pytest.raises(UnknownIssuer, match=URL):
        await tokens.verify(await issued(GatewayTokens(signer, "https://other.example.org", clock), ada))


async def test_an_id_token_is_no_gateway_token(tokens, issuer):
    with pytest.raises(UnknownIssuer):
        await tokens.verify(issuer.token())
    with pytest.raises(WrongTokenType):
        await tokens.verify(issuer.token(iss=URL))


async def test_a_token_that_another_key_signed_is_refused(tokens, issuer):
    with pytest.raises(UnknownSigningKey):
        await tokens.verify(issuer.token(iss=URL, header={"typ": "at+jwt"}))
    with pytest.raises(BadSignature):
        await tokens.verify(issuer.token(iss=URL, header={"typ": "at+jwt", "kid": "gateway-tokens:v1"}))


async def test_another_algorithm_and_a_missing_key_id_are_refused(tokens, sign_token, rsa_key, signer):
    claims = {"iss": URL}
    with pytest.raises(AlgorithmRefused):
        await tokens.verify(sign_token(rsa_key, {"alg": "RS256", "typ": "at+jwt", "kid": "rsa"}, claims))
    with pytest.raises(InvalidToken, match="key id"):
        await tokens.verify(sign_token(signer.keys[0], {"alg": "ES256", "typ": "at+jwt"}, claims))


@pytest.mark.parametrize("own", [None, {"format": 2}, {"format": 1}, {"format": 1, "kind": "robot", "name": "x"}])
async def test_another_format_is_refused(tokens, sign_token, signer, clock, own):
    claims = {"iss": URL, "aud": URL, "sub": "a:b", "exp": int(clock().timestamp()) + 9, "gateway": own}
    header = {"alg": "ES256", "typ": "at+jwt", "kid": signer.keys[0].kid}
    with pytest.raises(InvalidToken, match="format"):
        await tokens.verify(sign_token(signer.keys[0], header, claims))


async def test_a_principal_that_does_not_fit_is_refused(tokens, ada):
    crowd = frozenset(f"group-{number:06}" for number in range(2000))
    with pytest.raises(TooLarge):
        await tokens.issue(replace(ada, groups=crowd), client_id="cli")


async def test_a_rotated_key_signs_and_the_old_one_still_verifies(tokens, signer, ada, clock):
    before = await issued(tokens, ada)
    await tokens.verify(before)
    signer.rotate()
    assert (await tokens.holding()).uses == "gateway-tokens:v2"
    after = await issued(tokens, ada)
    assert SignedToken.parse(after).key_id == "gateway-tokens:v2"
    clock.advance(seconds=10)
    assert (await tokens.verify(after)).name == "ada"
    assert (await tokens.verify(before)).name == "ada"


async def test_a_new_key_verifies_at_once_and_signs_when_all_instances_know_it(signer, ada, clock):
    tokens = GatewayTokens(signer, URL, clock, settle=timedelta(seconds=10))
    signer.rotate(made_at=clock())
    held = await tokens.holding()
    assert (held.uses, held.accepts) == ("gateway-tokens:v1", ("gateway-tokens:v1", "gateway-tokens:v2"))
    assert SignedToken.parse(await issued(tokens, ada)).key_id == "gateway-tokens:v1"
    clock.advance(seconds=10)
    assert (await tokens.holding()).uses == "gateway-tokens:v2"
    assert SignedToken.parse(await issued(tokens, ada)).key_id == "gateway-tokens:v2"


async def test_where_the_key_may_no_longer_sign_the_newest_does(tokens, signer, ada):
    await issued(tokens, ada)
    signer.rotate()
    del signer.keys[0]
    assert SignedToken.parse(await issued(tokens, ada)).key_id == "gateway-tokens:v2"


async def test_a_key_that_was_withdrawn_stops_verifying(tokens, signer, ada, clock):
    text = await issued(tokens, ada)
    await tokens.verify(text)
    signer.rotate()
    del signer.keys[0]
    clock.advance(minutes=5)
    with pytest.raises(UnknownSigningKey):
        await tokens.verify(text)


async def test_a_key_that_is_replaced_at_every_signature_gives_up(tokens, signer, ada):
    steady = signer.sign

    async def restless(message, *, key_id=""):
        signer.rotate()
        del signer.keys[0]
        return await steady(message, key_id=key_id)

    signer.sign = restless
    with pytest.raises(VaultUnavailable):
        await tokens.issue(ada, client_id="cli")


async def test_invented_key_ids_do_not_reach_vault(tokens, signer, issuer):
    for number in range(20):
        with pytest.raises(UnknownSigningKey):
            await tokens.verify(issuer.token(iss=URL, header={"typ": "at+jwt", "kid": f"invented-{number}"}))
    assert signer.fetches == 1


async def test_the_key_set_has_every_public_key_and_no_private_one(tokens, signer):
    signer.rotate()
    keys = (await tokens.jwks())["keys"]
    assert [key["kid"] for key in keys] == ["gateway-tokens:v1", "gateway-tokens:v2"]
    assert all({"kty", "crv", "x", "y", "kid", "use", "alg"} == key.keys() for key in keys)
