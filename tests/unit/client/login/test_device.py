from datetime import timedelta

import pytest

from gateway.client.demand import Demand
from gateway.client.device import DeviceFlow
from gateway.client.exchange import LoginIssuer
from gateway.client.provider import Endpoints
from gateway.errors import IssuerUnavailable, LoginFailed

PENDING = (400, {"error": "authorization_pending"})
MINUTE = timedelta(minutes=1)


class Waiting:
    """A clock that only sleeping moves."""

    def __init__(self):
        self.slept = []

    def sleep(self, seconds):
        self.slept.append(seconds)

    def now(self):
        return sum(self.slept)


@pytest.fixture
def waiting():
    return Waiting()


@pytest.fixture
def granted(web):
    """The device authorization response, which tests may change."""
    answer = {
        "device_code": "secret-device-code",
        "user_code": "WDJB-MJHT",
        "verification_uri": f"{web.url}/device",
        "verification_uri_complete": f"{web.url}/device?user_code=WDJB-MJHT",
        "expires_in": 1800,
        "interval": 2,
    }
    web.answers["/start"] = (200, answer)
    return answer


@pytest.fixture
def flow(web, http, waiting, granted):
    issuer = LoginIssuer("people", web.url, "cli", ("openid", "groups"))
    endpoints = Endpoints(f"{web.url}/authorize", f"{web.url}/token", device=f"{web.url}/start")
    demand = Demand(acr_values=("mfa",))
    return DeviceFlow(issuer, endpoints, http, demand=demand, sleep=waiting.sleep, monotonic=waiting.now)


@pytest.fixture
def token(web, id_token):
    return id_token(iss=web.url, aud="cli")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"error": "expired_token"}, "expired"),
        ({"error": "access_denied"}, "refused"),
        ({"error": "invalid_grant", "error_description": "No \x1b[31mway."}, r"invalid_grant, No  ?\[31mway\.$"),
        ({}, "no reason"),
    ],
)
def test_a_refusal_ends_the_login_at_once(flow, web, waiting, answer, said):
    web.answers["/token"] = [(400, answer)]
    with pytest.raises(LoginFailed, match=said):
        flow.tokens(flow.start(), timeout=MINUTE)
    assert waiting.slept == [2]


def test_a_code_that_nobody_enters_ends_with_it(flow, web, waiting, granted):
    granted["expires_in"] = 7
    web.answers["/token"] = PENDING
    with pytest.raises(LoginFailed, match="in time"):
        flow.tokens(flow.start(), timeout=MINUTE)
    assert waiting.slept == [2, 2, 2]


def test_a_person_has_no_longer_than_the_caller_gives(flow, web, waiting):
    web.answers["/token"] = PENDING
    with pytest.raises(LoginFailed, match="in time"):
        flow.tokens(flow.start(), timeout=timedelta(seconds=5))
    assert waiting.slept == [2, 2]


def test_slow_down_is_heeded_from_then_on(flow, web, waiting, token):
    web.answers["/token"] = [PENDING, (400, {"error": "slow_down"}), PENDING, (200, {"id_token": token})]
    assert flow.tokens(flow.start(), timeout=MINUTE).id_token == token
    assert waiting.slept == [2, 2, 7, 7]


def test_a_provider_that_cannot_be_reached_is_asked_less_often(flow, web, waiting):
    code = flow.start()
    web.close()
    with pytest.raises(LoginFailed, match="in time"):
        flow.tokens(code, timeout=timedelta(seconds=30))
    assert waiting.slept == [2, 7, 12]


def test_without_an_interval_it_is_five_seconds(flow, granted):
    del granted["interval"]
    assert flow.start().interval == timedelta(seconds=5)


@pytest.mark.parametrize(
    "change",
    [
        {"verification_uri": "http://login.example.org/device"},
        {"verification_uri": "javascript:alert(1)"},
        {"verification_uri": None},
        {"user_code": "A" * 65},
        {"expires_in": "soon"},
        {"expires_in": 10**30},
        {"interval": "often"},
    ],
)
def test_an_answer_that_is_not_of_rfc_8628_is_refused(flow, granted, change):
    granted |= change
    with pytest.raises(IssuerUnavailable):
        flow.start()


@pytest.mark.parametrize("name", ["device_code", "user_code", "verification_uri", "expires_in"])
def test_an_answer_without_what_it_must_have_is_refused(flow, granted, name):
    del granted[name]
    with pytest.raises(IssuerUnavailable):
        flow.start()


def test_a_provider_that_gives_no_code_is_quoted(flow, web):
    web.answers["/start"] = (400, {"error": "unauthorized_client"})
    with pytest.raises(LoginFailed, match="unauthorized_client"):
        flow.start()


def test_a_provider_without_device_login_is_named(web, http):
    issuer = LoginIssuer("people", web.url, "cli", ("openid",))
    with pytest.raises(LoginFailed, match=web.url) as caught:
        DeviceFlow(issuer, Endpoints(f"{web.url}/a", f"{web.url}/t"), http).start()
    assert "--device" in caught.value.hint


def test_an_answer_that_is_no_json_is_a_provider_away(flow, web):
    code = flow.start()
    web.answers["/token"] = (200, b"<html>")
    with pytest.raises(IssuerUnavailable):
        flow.tokens(code, timeout=MINUTE)


def test_a_token_for_another_client_is_refused(flow, web, id_token):
    web.answers["/token"] = (200, {"id_token": id_token(iss=web.url, aud="another")})
    with pytest.raises(LoginFailed, match="another client"):
        flow.tokens(flow.start(), timeout=MINUTE)


def test_a_code_is_shown_without_what_could_move_the_cursor(flow, granted):
    granted["user_code"] = "AB\x1b[2JCD"
    granted["verification_uri_complete"] = "javascript:alert(1)"
    code = flow.start()
    assert (code.user_code, code.verification_uri_complete) == ("AB [2JCD", "")
    assert "secret-device-code" not in repr(code)


def test_a_login_asks_as_rfc_8628_has_it(flow, web, token):
    web.answers["/token"] = (200, {"id_token": token})
    flow.tokens(flow.start(), timeout=MINUTE)
    assert web.requests == [
        ("/start", {"client_id": "cli", "scope": "openid groups", "acr_values": "mfa"}),
        (
            "/token",
            {
                "client_id": "cli",
                "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
                "device_code": "secret-device-code",
            },
        ),
    ]
