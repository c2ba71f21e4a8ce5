from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from gateway.client.demand import Demand
from gateway.client.dpop import ProofKey
from gateway.client.login import Wishes, login_in_browser, login_on_device
from gateway.client.person import asking
from gateway.client.profile import Login
from gateway.errors import LoginFailed, StepUpRequired


@pytest.fixture
def person(web, id_token):
    """A browser whose person logs in at once. The answer may be changed; `visited` is its redirect address."""

    class Person:
        visited = ""

        def __call__(self, url, **change):
            query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
            web.answers["/token"] = (
                200,
                {"id_token": id_token(iss=web.url, aud="cli", sub="ada", nonce=query["nonce"])},
            )
            self.visited = query["redirect_uri"]
            httpx.get(self.visited, params={"code": "c", "state": query["state"]} | change, trust_env=False)

    return Person()


def test_an_answer_that_somebody_else_sends_first_ends_the_login(gateway, person, web):
    with pytest.raises(LoginFailed, match="state"):
        login_in_browser(gateway, show_url=lambda url: person(url, state="forged"))
    assert not {"/token", "/oauth2/token"} & {path for path, _ in web.requests}


def test_a_person_who_never_comes_ends_the_login(gateway):
    with pytest.raises(LoginFailed, match="within"):
        login_in_browser(gateway, show_url=lambda _: None, wishes=Wishes(timeout=timedelta(milliseconds=20)))


def test_an_interrupted_login_leaves_no_port_open(gateway):
    seen = []

    def interrupt(url):
        seen.append(parse_qs(urlsplit(url).query)["redirect_uri"][0])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        login_in_browser(gateway, show_url=interrupt)
    with pytest.raises(httpx.ConnectError):
        httpx.get(seen[0], trust_env=False)


def test_a_person_is_logged_in(gateway, person, web):
    login = login_in_browser(gateway + "/", show_url=person)
    assert (login.url, login.issuer, login.token) == (gateway, "people", "gateway-token")
    assert [path for path, _ in web.requests][-2:] == ["/token", "/oauth2/token"]
    assert web.requests[-1][1]["subject_token_type"].endswith(":id_token")


@pytest.fixture
def code(web, gateway, id_token):
    """The provider gives codes, and an ID token for each at once."""
    metadata = web.answers["/.well-known/openid-configuration"][1]
    metadata["device_authorization_endpoint"] = f"{web.url}/device"
    answer = {"device_code": "d", "user_code": "WDJB-MJHT", "verification_uri": f"{web.url}/enter"}
    web.answers["/device"] = (200, answer | {"expires_in": 600, "interval": 1})
    web.answers["/token"] = (200, {"id_token": id_token(iss=web.url, aud="cli", sub="ada")})
    return answer


def test_a_person_is_logged_in_by_a_code(gateway, code, web):
    shown = []
    login = login_on_device(gateway, show_code=shown.append)
    assert (login.issuer, login.token, login.device) == ("people", "gateway-token", True)
    assert [one.user_code for one in shown] == ["WDJB-MJHT"]


def test_a_bound_login_fails_where_the_gateway_binds_none(gateway, person):
    with pytest.raises(LoginFailed, match="does not bind"):
        login_in_browser(gateway, show_url=person, wishes=Wishes(dpop=True))


def test_a_bound_login_keeps_its_key(gateway, person, web):
    web.answers["/oauth2/token"] = (200, {"access_token": "bound", "expires_in": 60, "token_type": "DPoP"})
    login = login_in_browser(gateway, show_url=person, wishes=Wishes(dpop=True))
    assert "PRIVATE KEY" in login.proof_key
    assert "PRIVATE KEY" not in repr(login)


class Reached:
    """A person who does what they are told."""

    def __init__(self, person):
        self.open = person
        self.codes = []

    def tell(self, code):
        self.codes.append(code)


def test_a_person_is_asked_again_in_the_browser_at_the_same_issuer(gateway, person, clock):
    urls = []
    reached = Reached(lambda url: (urls.append(url), person(url)))
    login = asking(reached)(Login(gateway, "people", clock(), "weak", subject="ada"), Demand(acr_values=("mfa",)))
    assert (login.token, login.device) == ("gateway-token", False)
    assert parse_qs(urlsplit(urls[0]).query)["acr_values"] == ["mfa"]


def test_a_person_is_asked_again_with_a_code_and_a_key_if_it_was_so(gateway, code, web, clock):
    web.answers["/oauth2/token"] = (200, {"access_token": "bound", "expires_in": 60, "token_type": "DPoP"})
    reached = Reached(None)
    weak = Login(gateway, "people", clock(), "weak", ProofKey.generate().dump(), device=True, subject="ada")
    login = asking(reached)(weak, Demand(max_age=timedelta(0)))
    assert len(reached.codes) == 1
    assert login.proof_key
    assert login.proof_key != weak.proof_key
    assert dict(web.requests)["/device"]["max_age"] == "0"


def test_somebody_else_does_not_make_a_login_stronger(gateway, person, clock):
    with pytest.raises(LoginFailed, match="Somebody else"):
        asking(Reached(person))(Login(gateway, "people", clock(), "weak", subject="eve"), Demand())


def test_a_jobs_login_asks_nobody(clock):
    with pytest.raises(StepUpRequired) as caught:
        asking(Reached(None))(Login("https://g", "workload", clock(), "t"), Demand())
    assert "job" in caught.value.hint


MORE = {"error": "invalid_request", "error_description": "Too weak.", "code": "insufficient-user-authentication"}


def test_a_gateway_that_wants_more_of_the_issuer_has_the_person_asked_for_it_once(gateway, person, web):
    urls = []
    web.answers["/oauth2/token"] = (400, MORE | {"acr_values": "mfa phr", "max_age": 60})
    with pytest.raises(StepUpRequired, match="Too weak"):
        login_in_browser(gateway, show_url=lambda url: (urls.append(url), person(url)))
    asked = [parse_qs(urlsplit(url).query) for url in urls]
    assert [query.get("acr_values") for query in asked] == [None, ["mfa phr"]]
    assert asked[1]["max_age"] == ["60"]
    assert asked[0]["state"] != asked[1]["state"]


@pytest.mark.parametrize("age", [-1, "soon", 10**30, None])
def test_a_demand_for_an_age_that_is_none_is_not_passed_on(gateway, person, web, age):
    web.answers["/oauth2/token"] = (400, MORE | {"max_age": age})
    with pytest.raises(StepUpRequired) as caught:
        login_in_browser(gateway, show_url=person)
    assert caught.value.max_age is None
