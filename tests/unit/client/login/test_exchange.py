from datetime import timedelta

import pytest

from gateway.client.exchange import (
    ID_TOKEN,
    MAX_ANSWER_BYTES,
    GatewayLogin,
    LoginIssuer,
    check_url,
    choose_issuer,
)
from gateway.errors import (
    GatewayUnavailable,
    InvalidInput,
    IssuerUnavailable,
    LoginFailed,
    TokenExpired,
    Unauthenticated,
)

PEOPLE = {"alias": "people", "issuer": "https://login.example.org", "client_id": "cli", "scopes": ["openid"]}


@pytest.fixture
def gateway(web, http, clock):
    return GatewayLogin(web.url, http, clock=clock)


@pytest.mark.parametrize(
    "url", ["http://gateway.example.org", "gateway.example.org", "ftp://a", "https://", "https://u@a", "http://[", ""]
)
def test_tokens_are_sent_to_confidential_addresses_alone(url):
    with pytest.raises(InvalidInput, match="token"):
        check_url(url)


@pytest.mark.parametrize("url", ["https://gateway.example.org/", "http://127.0.0.1:8420", "http://localhost:8420/"])
def test_https_and_loopback_are_confidential(url):
    assert check_url(url) == url.rstrip("/")


@pytest.mark.parametrize(
    "answer",
    [
        (500, {}),
        (404, b"<html>"),
        (200, b"[]"),
        (200, b"x"),
        (200, {}),
        (200, {"issuers": [{}]}),
        (200, {"issuers": 7}),
        (302, {"issuers": []}),
        (200, b" " * (MAX_ANSWER_BYTES + 1)),
    ],
)
def test_what_is_no_gateway_is_said_to_be_none(gateway, web, answer):
    web.answers["/v1/login"] = answer
    with pytest.raises(GatewayUnavailable, match=web.url):
        gateway.issuers()


def test_a_gateway_that_is_away_is_named(gateway, web):
    web.close()
    with pytest.raises(GatewayUnavailable, match=web.url):
        gateway.issuers()


def test_an_issuer_in_the_clear_is_refused(gateway, web):
    web.answers["/v1/login"] = (200, {"issuers": [PEOPLE | {"issuer": "http://login.example.org"}]})
    with pytest.raises(IssuerUnavailable, match="HTTPS"):
        gateway.issuers()


def test_issuers_are_read(gateway, web):
    web.answers["/v1/login"] = (200, {"token_endpoint": "https://elsewhere.example", "issuers": [PEOPLE]})
    assert gateway.issuers() == (LoginIssuer("people", "https://login.example.org", "cli", ("openid",)),)


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (
            (400, {"error": "invalid_request", "error_description": "Expired.", "code": "token-expired"}),
            TokenExpired,
            "E",
        ),
        ((400, {"error": "invalid_request", "error_description": "No."}), Unauthenticated, "No."),
        ((503, {"detail": "No keys.", "code": "issuer-unavailable"}), IssuerUnavailable, "No keys."),
        ((502, {}), GatewayUnavailable, "502"),
        ((400, {"code": "made-up"}), Unauthenticated, "400"),
    ],
)
def test_a_refusal_keeps_its_kind_and_its_words(gateway, web, answer, kind, said):
    web.answers["/oauth2/token"] = answer
    with pytest.raises(kind, match=said) as caught:
        gateway.exchange("subject-token", ID_TOKEN)
    assert type(caught.value) is kind
    assert "subject-token" not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize(
    "answer",
    [{}, {"access_token": "t"}, {"access_token": "t", "expires_in": "soon"}, {"access_token": "t", "expires_in": 1e30}],
)
def test_an_answer_without_a_token_and_its_life_is_refused(gateway, web, answer):
    web.answers["/oauth2/token"] = (200, answer)
    with pytest.raises(GatewayUnavailable):
        gateway.exchange("subject-token", ID_TOKEN)


def test_an_id_token_is_exchanged(gateway, web, clock):
    web.answers["/oauth2/token"] = (200, {"access_token": "gateway-token", "expires_in": 3600})
    token = gateway.exchange("subject-token", ID_TOKEN)
    assert (token.text, token.expires_at) == ("gateway-token", clock() + timedelta(hours=1))
    assert "gateway-token" not in repr(token)
    ((path, form),) = web.requests
    assert path == "/oauth2/token"
    assert form["subject_token"] == "subject-token"
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:token-exchange"


def test_an_issuer_is_chosen_by_alias_or_because_it_is_the_only_one():
    one, two = (LoginIssuer(alias, "https://a", "cli", ()) for alias in ("one", "two"))
    assert choose_issuer([one], None) is one
    assert choose_issuer([one, two], "two") is two
    with pytest.raises(LoginFailed, match="one, two"):
        choose_issuer([one, two], None)
    with pytest.raises(LoginFailed, match="no issuer three; it has one"):
        choose_issuer([one], "three")
    with pytest.raises(LoginFailed, match="it has none"):
        choose_issuer([], None)
