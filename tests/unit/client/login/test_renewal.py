from datetime import timedelta

import pytest

from gateway.client.profile import Login
from gateway.client.renewal import renew
from gateway.clock import utc_now
from gateway.errors import IssuerUnavailable, LoginFailed


@pytest.fixture
def login(gateway, web):
    return Login(
        url=gateway,
        issuer="people",
        expires_at=utc_now(),
        token="old",
        subject="ada",
        provider=web.url,
        refresh_token="refresh-1",
    )


@pytest.fixture
def give(web, id_token):
    """Lets the provider answer with an ID token of these claims."""

    def answer(more=None, **claims):
        token = id_token(**{"iss": web.url, "aud": "cli", "sub": "ada"} | claims)
        web.answers["/token"] = (200, {"id_token": token} | (more or {}))

    return answer


def test_a_refresh_token_goes_to_no_other_provider(login, web):
    people = {"alias": "people", "issuer": "https://attacker.example.net", "client_id": "cli", "scopes": []}
    web.answers["/v1/login"] = (200, {"issuers": [people]})
    with pytest.raises(LoginFailed, match=r"attacker\.example\.net"):
        renew(login)
    assert [path for path, _ in web.requests] == ["/v1/login"]


@pytest.mark.parametrize("claims", [{"sub": "eve"}, {"sub": None}, {"aud": "other"}, {"iss": "https://a.example"}])
def test_a_renewal_for_somebody_else_is_refused(login, give, web, claims):
    give(**claims)
    with pytest.raises(LoginFailed):
        renew(login)
    assert "/oauth2/token" not in dict(web.requests)


@pytest.mark.parametrize("answer", [(500, {}), (503, {"error": "invalid_grant"}), (200, b"<html>")])
def test_a_provider_that_is_away_may_be_asked_again(login, web, answer):
    web.answers["/token"] = answer
    with pytest.raises(IssuerUnavailable, match=web.url):
        renew(login)


@pytest.mark.parametrize("answer", [(400, {"error": "invalid_grant"}), (401, {}), (200, {})])
def test_a_provider_that_ended_the_login_is_quoted(login, web, answer):
    web.answers["/token"] = answer
    with pytest.raises(LoginFailed) as caught:
        renew(login)
    assert "refresh-1" not in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(("more", "kept"), [({}, "refresh-1"), ({"refresh_token": "refresh-2"}, "refresh-2")])
def test_a_login_is_renewed(login, give, web, more, kept):
    give(more)
    renewed = renew(login)
    assert (renewed.token, renewed.refresh_token, renewed.subject) == ("gateway-token", kept, "ada")
    assert utc_now() < renewed.renew_at < renewed.expires_at <= utc_now() + timedelta(hours=1)
    assert dict(web.requests)["/token"] == {
        "grant_type": "refresh_token",
        "refresh_token": "refresh-1",
        "client_id": "cli",
    }
    assert "refresh" not in repr(renewed)
