"""Logins against the real OpenBao: its OIDC provider for people, its identity tokens for jobs."""

from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from gateway.client.callback import listening
from gateway.client.exchange import LoginIssuer
from gateway.client.provider import CodeFlow, discover
from gateway.clock import utc_now
from gateway.devstack import browser
from gateway.errors import IssuerUnavailable, LoginFailed, WrongAudience
from gateway.identity import Issuers
from gateway.model import PrincipalKind
from gateway.settings import ClaimMapping, IssuerSettings

pytestmark = [pytest.mark.anyio, pytest.mark.integration]
CLAIMS = ClaimMapping(user="preferred_username")
REDIRECT = "http://127.0.0.1:{}/callback"


@pytest.fixture
def people(stack):
    return LoginIssuer("people", stack.issuer, stack.client_id, ("openid", "profile", "groups"))


@pytest.fixture
def http():
    with httpx.Client(trust_env=False) as client:
        yield client


@pytest.fixture
def flow(people, http, free_port):
    return CodeFlow(people, discover(people, http), REDIRECT.format(free_port), http)


@pytest.fixture
async def issuers(stack):
    settings = [
        IssuerSettings(alias="people", issuer=stack.issuer, audiences=[stack.client_id], claims=CLAIMS),
        IssuerSettings(
            alias="jobs", issuer=stack.jobs_issuer, audiences=[stack.jobs_audience], claims=CLAIMS, kind="workload"
        ),
    ]
    async with httpx.AsyncClient(trust_env=False) as client:
        yield Issuers(settings, client, utc_now, development=True)


@pytest.fixture
def as_person(stack):
    """Acts as a person's browser up to the redirect, and returns the answer's parameters."""
    passwords = {person.name: person.password_file for person in stack.users}

    def answer(authorize_url, name="ada"):
        url = browser.redirect_for(authorize_url, name=name, password_file=passwords[name])
        return dict(parse_qsl(urlsplit(url).query))

    return answer


def test_a_code_is_good_once(flow, as_person):
    answer = as_person(flow.authorize_url())
    flow.id_token(answer)
    with pytest.raises(LoginFailed, match="refused the code"):
        flow.id_token(answer)


def test_a_code_of_another_login_is_refused(people, http, free_port, flow, as_person):
    other = CodeFlow(people, discover(people, http), REDIRECT.format(free_port), http)
    mine, theirs = as_person(flow.authorize_url()), as_person(other.authorize_url(), "ivan")
    with pytest.raises(LoginFailed, match="state"):
        flow.id_token(theirs)
    # Its code under my state: the verifier is another, and so would the nonce be.
    with pytest.raises(LoginFailed):
        flow.id_token({"state": mine["state"], "code": theirs["code"]})


def test_a_provider_that_is_elsewhere_is_said_to_be_away(people, http, free_port):
    gone = LoginIssuer("people", f"http://127.0.0.1:{free_port}", people.client_id, people.scopes)
    with pytest.raises(IssuerUnavailable, match=str(free_port)):
        discover(gone, http)


async def test_a_person_logs_in_with_a_code_and_becomes_a_principal(people, http, issuers, stack):
    (ada,) = (person for person in stack.users if person.name == "ada")
    with listening() as listener:
        flow = CodeFlow(people, discover(people, http), listener.redirect_uri, http)
        page = browser.log_in(flow.authorize_url(), name="ada", password_file=ada.password_file)
        token = flow.id_token(listener.wait(timedelta(seconds=5)))
    assert "Thank you" in page
    who = await issuers.verify_subject_token(token)
    assert (who.issuer, who.name, who.groups, who.kind) == ("people", "ada", {"ml-research"}, PrincipalKind.USER)


async def test_a_workload_becomes_a_principal(issuers, stack):
    who = await issuers.verify_subject_token(stack.workload_token_file.read_text().strip())
    assert (who.issuer, who.name, who.groups) == ("jobs", "trainer", {"training-jobs"})
    assert who.kind is PrincipalKind.WORKLOAD


async def test_a_token_for_another_client_of_the_same_provider_is_refused(stack):
    settings = [IssuerSettings(alias="jobs", issuer=stack.jobs_issuer, audiences=["another"], kind="workload")]
    async with httpx.AsyncClient(trust_env=False) as client:
        issuers = Issuers(settings, client, utc_now, development=True)
        with pytest.raises(WrongAudience, match=f"expected 'another', got '{stack.jobs_audience}'"):
            await issuers.verify_subject_token(stack.workload_token_file.read_text().strip())
