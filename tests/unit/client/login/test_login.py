from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from gateway.client.login import Wishes, login_in_browser
from gateway.errors import LoginFailed


@pytest.fixture
def person(web, id_token):
    """A browser whose person logs in at once. The answer may be changed; `visited` is its redirect address."""

    class Person:
        visited = ""

        def __call__(self, url, **change):
            query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
            web.answers["/token"] = (200, {"id_token": id_token(iss=web.url, aud="cli", nonce=query["nonce"])})
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
