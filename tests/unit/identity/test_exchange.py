from urllib.parse import urlencode

import pytest

from gateway.errors import (
    GatewayError,
    InvalidRequest,
    InvalidScope,
    InvalidTarget,
    IssuerUnavailable,
    TokenExpired,
    TooLarge,
    UnsupportedGrantType,
)
from gateway.identity import GatewayTokens, Issuers, TokenExchange, TokenRequest, oauth_error
from gateway.identity.exchange import GRANT_TYPE, MAX_REQUEST_BYTES

pytestmark = pytest.mark.anyio
URL = "https://gateway.example.org"
TYPES = "urn:ietf:params:oauth:token-type:"
FORM = {"grant_type": GRANT_TYPE, "subject_token": "x.y.z", "subject_token_type": f"{TYPES}id_token"}


@pytest.fixture
def tokens(signer, clock):
    return GatewayTokens(signer, URL, clock)


@pytest.fixture
def exchange(issuer, http, clock, tokens):
    return TokenExchange(Issuers([issuer.settings()], http, clock, development=True), tokens).exchange


@pytest.mark.parametrize("name", FORM)
def test_a_required_parameter_that_is_missing_is_named(name):
    for form in ({k: v for k, v in FORM.items() if k != name}, FORM | {name: ""}):
        with pytest.raises(InvalidRequest, match=name):
            TokenRequest.parse(form)


@pytest.mark.parametrize("grant", ["authorization_code", "refresh_token", "password", GRANT_TYPE.upper()])
def test_other_grants_are_refused(grant):
    with pytest.raises(UnsupportedGrantType):
        TokenRequest.parse(FORM | {"grant_type": grant})


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({"actor_token": "x"}, InvalidRequest),
        ({"actor_token_type": f"{TYPES}jwt"}, InvalidRequest),
        ({"authorization_details": "[]"}, InvalidRequest),
        ({"scope": "read"}, InvalidScope),
        ({"requested_token_type": f"{TYPES}refresh_token"}, InvalidRequest),
        ({"subject_token_type": f"{TYPES}access_token"}, InvalidRequest),
        ({"client_id": "a\nb"}, InvalidRequest),
        ({"client_id": "a" * 101}, InvalidRequest),
        ({"audience": URL, "resource": "https://other.example.org"}, InvalidTarget),
    ],
)
def test_what_cannot_be_honoured_is_refused_rather_than_ignored(more, kind):
    with pytest.raises(kind):
        TokenRequest.parse(FORM | more)


@pytest.mark.parametrize("body", [b"x" * (MAX_REQUEST_BYTES + 1), b"grant_type", b"a=%FF", "a=é".encode(), b"a=1&a=1"])
def test_a_body_that_is_no_form_is_refused(body):
    with pytest.raises(InvalidRequest):
        TokenRequest.decode(body)


def test_an_empty_body_has_no_grant_type():
    with pytest.raises(InvalidRequest, match="grant_type"):
        TokenRequest.decode(b"")


def test_a_form_is_read_and_shows_no_token_in_its_repr():
    request = TokenRequest.decode(urlencode(FORM | {"client_id": "cli", "unknown": "x"}).encode())
    assert request == TokenRequest("x.y.z", f"{TYPES}id_token", client_id="cli")
    assert "x.y.z" not in repr(request)


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


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidRequest("x"), "invalid_request"),
        (UnsupportedGrantType("x"), "unsupported_grant_type"),
        (InvalidScope("x"), "invalid_scope"),
        (TokenExpired("x"), "invalid_request"),
        (TooLarge("x"), "invalid_request"),
        (IssuerUnavailable("x"), "temporarily_unavailable"),
        (GatewayError("x"), "server_error"),
    ],
)
def test_each_error_has_its_oauth_code(error, code):
    assert oauth_error(error) == code
