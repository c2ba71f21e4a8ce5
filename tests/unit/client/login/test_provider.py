from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from gateway.client.demand import Demand
from gateway.client.dpop import ProofKey
from gateway.client.exchange import LoginIssuer
from gateway.client.provider import CodeFlow, Endpoints, discover
from gateway.errors import IssuerUnavailable, LoginFailed

METADATA = "/.well-known/openid-configuration"
REDIRECT = "http://127.0.0.1:5/callback"


@pytest.fixture
def issuer(web):
    return LoginIssuer("people", web.url, "cli", ("openid", "groups"))


@pytest.fixture
def metadata(web):
    return {
        "issuer": web.url,
        "authorization_endpoint": f"{web.url}/authorize",
        "token_endpoint": f"{web.url}/token",
    }


@pytest.fixture
def start(web, issuer, http):
    """Starts a login, and returns the flow and the query of its address."""

    def begin(*, names_itself=False, takes_proofs=False, **options):
        endpoints = Endpoints(
            f"{web.url}/authorize", f"{web.url}/token", names_itself=names_itself, takes_proofs=takes_proofs
        )
        flow = CodeFlow(issuer, endpoints, REDIRECT, http, **options)
        return flow, {name: values[0] for name, values in parse_qs(urlsplit(flow.authorize_url()).query).items()}

    return begin


@pytest.fixture
def give_token(web, id_token):
    """Lets the token endpoint answer with an ID token of these claims."""

    def give(**claims):
        token = id_token(**({"iss": web.url, "aud": "cli"} | claims))
        web.answers["/token"] = (200, {"access_token": "opaque", "token_type": "Bearer", "id_token": token})
        return token

    return give


def test_each_login_has_its_own_state_nonce_and_challenge(start):
    queries = [start()[1] for _ in range(2)]
    for name in ("state", "nonce", "code_challenge"):
        assert len({query[name] for query in queries}) == 2
        assert all(len(query[name]) >= 43 for query in queries)


def test_the_address_asks_for_a_code_with_pkce(start):
    _, query = start()
    assert query["response_type"] == "code"
    assert query["code_challenge_method"] == "S256"
    assert (query["client_id"], query["redirect_uri"], query["scope"]) == ("cli", REDIRECT, "openid groups")


def test_what_the_login_must_have_is_asked_for(start):
    _, query = start(demand=Demand(acr_values=("mfa", "phr"), max_age=timedelta(0)))
    assert (query["acr_values"], query["max_age"]) == ("mfa phr", "0")


def test_the_code_is_bound_to_the_key_where_the_provider_can(start):
    key = ProofKey.generate()
    assert start(key=key, takes_proofs=True)[1]["dpop_jkt"] == key.thumbprint
    assert "dpop_jkt" not in start(key=key)[1]


def test_a_code_is_used_once(start, web, give_token):
    flow, query = start()
    give_token(nonce=query["nonce"])
    web.answers["/token"] = [web.answers["/token"], (400, {"error": "invalid_grant"})]
    answer = {"code": "c", "state": query["state"]}
    flow.id_token(answer)
    with pytest.raises(LoginFailed, match="invalid_grant"):
        flow.id_token(answer)


@pytest.mark.parametrize("change", [{"state": "another"}, {"state": ""}, {"state": None}, {"state": "é"}])
def test_an_answer_of_another_state_is_refused_before_its_code_is_used(start, web, change):
    flow, query = start()
    answer = {
        name: value for name, value in ({"code": "c", "state": query["state"]} | change).items() if value is not None
    }
    with pytest.raises(LoginFailed, match="state"):
        flow.id_token(answer)
    assert web.requests == []


def test_an_answer_of_another_issuer_is_refused_before_its_code_is_used(start, web):
    flow, query = start()
    with pytest.raises(LoginFailed, match="another issuer"):
        flow.id_token({"code": "c", "state": query["state"], "iss": "https://attacker.example.net"})
    assert web.requests == []


def test_an_issuer_that_always_names_itself_must_do_so(start):
    flow, query = start(names_itself=True)
    with pytest.raises(LoginFailed, match="another issuer"):
        flow.id_token({"code": "c", "state": query["state"]})


def test_a_refusal_is_passed_on_in_printable_words(start):
    flow, query = start()
    said = {"error": "access_denied", "error_description": "No\x1b[31m such\nuser.", "state": query["state"]}
    with pytest.raises(LoginFailed, match=r"access_denied, No \[31m such user\.$"):
        flow.id_token(said)


def test_an_answer_without_a_code_is_refused(start):
    flow, query = start()
    with pytest.raises(LoginFailed, match="no code"):
        flow.id_token({"state": query["state"]})


def test_a_code_that_the_provider_refuses_is_no_login(start, web):
    flow, query = start()
    web.answers["/token"] = (400, {"error": "invalid_grant", "error_description": "code was used"})
    with pytest.raises(LoginFailed, match="invalid_grant, code was used"):
        flow.id_token({"code": "c", "state": query["state"]})


@pytest.mark.parametrize("answer", [(500, {}), (200, b"<html>"), (200, b"[]"), (302, b"")])
def test_a_provider_that_fails_is_said_to_be_away(start, web, answer):
    flow, query = start()
    web.answers["/token"] = answer
    with pytest.raises(IssuerUnavailable, match=web.url):
        flow.id_token({"code": "c", "state": query["state"]})


def test_an_answer_without_an_id_token_is_no_login(start, web):
    flow, query = start()
    web.answers["/token"] = (200, {"access_token": "opaque", "token_type": "Bearer"})
    with pytest.raises(LoginFailed, match="no ID token"):
        flow.id_token({"code": "c", "state": query["state"]})


@pytest.mark.parametrize("claims", [{"nonce": "another"}, {}, {"nonce": None}, {"nonce": ["n"]}])
def test_an_id_token_of_another_nonce_is_refused(start, give_token, claims):
    flow, query = start()
    give_token(**claims)
    with pytest.raises(LoginFailed, match="nonce"):
        flow.id_token({"code": "c", "state": query["state"]})


@pytest.mark.parametrize("claims", [{"iss": "https://a.example"}, {"aud": "another"}, {"aud": []}, {"aud": None}])
def test_an_id_token_for_another_client_is_refused(start, give_token, claims):
    flow, query = start()
    give_token(nonce=query["nonce"], **claims)
    with pytest.raises(LoginFailed, match="another client"):
        flow.id_token({"code": "c", "state": query["state"]})


@pytest.mark.parametrize("text", ["opaque", "a.b.c", "a.W10.c"])
def test_an_id_token_that_is_no_jwt_is_refused(start, web, text):
    flow, query = start()
    web.answers["/token"] = (200, {"id_token": text})
    with pytest.raises(LoginFailed):
        flow.id_token({"code": "c", "state": query["state"]})


@pytest.mark.parametrize("audience", ["cli", ["other", "cli"]])
def test_a_code_becomes_an_id_token_with_the_verifier_of_its_challenge(start, web, give_token, audience):
    flow, query = start()
    token = give_token(nonce=query["nonce"], aud=audience)
    assert flow.id_token({"code": "c", "state": query["state"], "iss": web.url}) == token
    ((_, form),) = web.requests
    assert create_s256_code_challenge(form["code_verifier"]) == query["code_challenge"]
    assert (form["grant_type"], form["code"], form["client_id"]) == ("authorization_code", "c", "cli")
    assert form["redirect_uri"] == REDIRECT


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://attacker.example.net"},
        {"issuer": None},
        {"authorization_endpoint": "http://login.example.org/authorize"},
        {"token_endpoint": None},
    ],
)
def test_a_discovery_document_that_is_not_right_is_refused(issuer, web, http, metadata, change):
    web.answers[METADATA] = (200, metadata | change)
    with pytest.raises(IssuerUnavailable, match=web.url):
        discover(issuer, http)


@pytest.mark.parametrize("answer", [(404, {}), (200, b"<html>")])
def test_a_provider_without_discovery_is_said_to_be_away(issuer, web, http, answer):
    web.answers[METADATA] = answer
    with pytest.raises(IssuerUnavailable, match=web.url):
        discover(issuer, http)


def test_endpoints_are_discovered(issuer, web, http, metadata):
    more = {
        "authorization_response_iss_parameter_supported": True,
        "device_authorization_endpoint": f"{web.url}/device",
        "dpop_signing_alg_values_supported": ["ES256"],
    }
    web.answers[METADATA] = (200, metadata | more)
    assert discover(issuer, http) == Endpoints(
        f"{web.url}/authorize", f"{web.url}/token", names_itself=True, device=f"{web.url}/device", takes_proofs=True
    )


@pytest.mark.parametrize("more", [{}, {"device_authorization_endpoint": "http://a.example/device"}])
def test_what_a_provider_does_not_offer_in_confidence_is_not_used(issuer, web, http, metadata, more):
    web.answers[METADATA] = (200, metadata | more | {"dpop_signing_alg_values_supported": "ES256"})
    assert discover(issuer, http) == Endpoints(f"{web.url}/authorize", f"{web.url}/token")
