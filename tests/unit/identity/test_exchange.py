from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from gateway.errors import (
    GatewayError,
    InvalidAuthorizationDetails,
    InvalidDpopProof,
    InvalidRequest,
    InvalidScope,
    InvalidTarget,
    IssuerUnavailable,
    StepUpRequired,
    TokenExpired,
    TokenRevoked,
    TooLarge,
    UnknownIssuer,
    UnsupportedGrantType,
    UseDpopNonce,
    WrongTokenType,
)
from gateway.identity import Call, GatewayTokens, Issuers, TokenExchange, TokenRequest, oauth_error
from gateway.identity.exchange import MAX_NARROWINGS
from gateway.identity.jws import SignedToken
from gateway.identity.token_request import GRANT_TYPE
from gateway.model import Revocation, RevocationKind

pytestmark = pytest.mark.anyio
URL = "https://gateway.example.org"
TYPES = "urn:ietf:params:oauth:token-type:"
CALL = Call("POST", f"{URL}/oauth2/token")
FORM = {"grant_type": GRANT_TYPE, "subject_token": "x.y.z", "subject_token_type": f"{TYPES}id_token"}


@pytest.fixture
def tokens(signer, clock):
    return GatewayTokens(signer, URL, clock)


@pytest.fixture
def exchange(exchange_with, issuer):
    return exchange_with(issuer.settings())


@pytest.fixture
def exchange_with(http, clock, tokens, proofs, revocations):
    """Returns `exchange` on an issuer's settings, as the token endpoint calls it."""

    def make(*settings):
        issuers = Issuers(settings, http, clock, development=True)
        return partial(TokenExchange(issuers, tokens, proofs, revocations).exchange, call=CALL)

    return make


async def test_a_token_for_somebody_else_is_refused(exchange, issuer):
    request = TokenRequest.parse(FORM | {"subject_token": issuer.token(), "audience": "https://other.example.org"})
    with pytest.raises(InvalidTarget, match=URL):
        await exchange(request)


async def test_an_expired_token_is_refused_within_its_leeway_too(exchange, issuer, clock):
    # Within the leeway the ID token still verifies; a gateway token that ends before it begins is of no use.
    with pytest.raises(TokenExpired):
        await exchange(TokenRequest.parse(FORM | {"subject_token": issuer.token(exp=int(clock().timestamp()) - 5)}))


@pytest.mark.parametrize("target", [{}, {"audience": URL}, {"resource": URL + "/"}, {"audience": URL, "resource": URL}])
async def test_an_id_token_becomes_a_gateway_token(exchange, tokens, issuer, target):
    request = TokenRequest.parse(FORM | {"subject_token": issuer.token(groups=["ml"])} | target)
    answer = await exchange(request)
    assert (await tokens.verify(answer.access_token)).groups == {"ml"}
    assert answer.expires_in.total_seconds() == 600


def asking(token, kind="id_token"):
    return TokenRequest.parse(FORM | {"subject_token": token, "subject_token_type": TYPES + kind})


async def test_an_access_token_is_no_id_token_and_the_reverse(exchange, issuer):
    access = issuer.token(header={"typ": "at+jwt"}, client_id="web", jti="j1")
    for token, kind in ((access, "id_token"), (access, "jwt"), (issuer.token(), "access_token")):
        with pytest.raises(WrongTokenType):
            await exchange(asking(token, kind))
    assert (await exchange(asking(access, "access_token"))).principal.client_id == "web"


async def test_a_gateway_token_is_taken_as_an_access_token_alone(exchange, issuer):
    ours = (await exchange(asking(issuer.token()))).access_token
    with pytest.raises(UnknownIssuer):
        await exchange(asking(ours))
    assert (await exchange(asking(ours, "access_token"))).principal.subject == "u1"


async def test_what_was_exchanged_again_never_lives_longer(exchange, issuer, clock):
    first = await exchange(asking(issuer.token()))
    clock.advance(minutes=4)
    second = await exchange(asking(first.access_token, "access_token"))
    assert (first.expires_in, second.expires_in) == (timedelta(minutes=10), timedelta(minutes=6))


async def test_a_narrowing_holds_for_all_that_is_exchanged_later(exchange, issuer, tokens):
    first = await exchange(asking(issuer.token()), narrowing=["one"])
    second = await exchange(asking(first.access_token, "access_token"), narrowing=["two"])
    third = await exchange(asking(second.access_token, "access_token"))
    assert (await tokens.verify(third.access_token)).session_policies == ("one", "two")


async def test_the_ways_to_narrow_come_to_an_end(exchange, issuer):
    answer = await exchange(asking(issuer.token()), narrowing=["p"] * MAX_NARROWINGS)
    with pytest.raises(InvalidRequest, match="narrowed"):
        await exchange(asking(answer.access_token, "access_token"), narrowing=["p"])


async def test_the_answer_says_what_was_granted(exchange, issuer):
    detail = {"type": "gateway_access", "actions": ["gateway:ReadFile"], "resources": ["*"]}
    request = replace(asking(issuer.token()), scopes=("gateway:ReadFile", "gateway:ListFiles"), details=(detail,))
    said = (await exchange(request, narrowing=["p"])).to_response()
    assert said["scope"] == "gateway:ReadFile gateway:ListFiles"
    assert said["authorization_details"] == [detail]


async def test_a_proof_binds_the_token_to_its_key(exchange, issuer, client, tokens):
    answer = await exchange(asking(issuer.token()), proof=client.proof(CALL))
    assert answer.to_response()["token_type"] == "DPoP"
    assert SignedToken.parse(answer.access_token).unverified_claims["cnf"] == {"jkt": client.thumbprint}
    assert (await tokens.verify(answer.access_token)).key_thumbprint == client.thumbprint


async def test_a_bound_token_is_exchanged_by_its_own_key_alone(exchange, issuer, client, thief):
    bound = (await exchange(asking(issuer.token()), proof=client.proof(CALL))).access_token
    for proof in (None, thief.proof(CALL)):
        with pytest.raises(InvalidDpopProof):
            await exchange(asking(bound, "access_token"), proof=proof)
    again = await exchange(asking(bound, "access_token"), proof=client.proof(CALL))
    assert again.principal.key_thumbprint == client.thumbprint


async def test_an_issuer_may_require_proofs(exchange_with, issuer, client):
    exchange = exchange_with(issuer.settings(dpop="required"))
    with pytest.raises(InvalidDpopProof, match="people"):
        await exchange(asking(issuer.token()))
    assert (await exchange(asking(issuer.token()), proof=client.proof(CALL))).principal.key_thumbprint


async def test_what_was_revoked_is_exchanged_for_nothing(exchange, issuer, revocations, clock):
    ours = (await exchange(asking(issuer.token(jti="id-1")))).access_token
    await revocations.add(Revocation(RevocationKind.TOKEN, "id-1", clock(), clock()))
    for token, kind in ((issuer.token(jti="id-1"), "id_token"), (ours, "access_token")):
        with pytest.raises(TokenRevoked):
            await exchange(asking(token, kind))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidRequest("x"), "invalid_request"),
        (UnsupportedGrantType("x"), "unsupported_grant_type"),
        (InvalidScope("x"), "invalid_scope"),
        (InvalidAuthorizationDetails("x"), "invalid_authorization_details"),
        (UseDpopNonce("x", nonce="n"), "use_dpop_nonce"),
        (InvalidDpopProof("x"), "invalid_dpop_proof"),
        (StepUpRequired("x"), "insufficient_user_authentication"),
        (TokenExpired("x"), "invalid_request"),
        (TooLarge("x"), "invalid_request"),
        (IssuerUnavailable("x"), "temporarily_unavailable"),
        (GatewayError("x"), "server_error"),
    ],
)
def test_each_error_has_its_oauth_code(error, code):
    assert oauth_error(error) == code
