import anyio
import pytest

from gateway.errors import InvalidConfiguration, IssuerUnavailable, UnknownIssuer, UnknownSigningKey, WrongAudience
from gateway.identity.issuers import Issuers
from gateway.model import PrincipalKind

pytestmark = pytest.mark.anyio


@pytest.fixture
def verify(issuer, http, clock):
    return Issuers([issuer.settings()], http, clock, development=True).verify_subject_token


def trusting(http, clock, *settings):
    return Issuers(settings, http, clock, development=True)


async def test_nothing_is_fetched_for_a_stranger(verify, issuer, other_issuer):
    with pytest.raises(UnknownIssuer, match=other_issuer.url):
        await verify(other_issuer.token())
    assert issuer.requests == other_issuer.requests == []


async def test_nothing_is_fetched_for_a_token_that_cannot_be_good(verify, issuer):
    for header in ({"alg": "ES256", "typ": "at+jwt"}, {"alg": "ES256", "jku": issuer.url}):
        with pytest.raises(Exception, match="token"):
            await verify(issuer.token(header=header))
    assert issuer.requests == []


async def test_a_wrong_audience_is_named_beside_the_right_one(verify, issuer):
    with pytest.raises(WrongAudience, match="expected 'gateway', got 'grafana'"):
        await verify(issuer.token(aud="grafana"))


async def test_an_issuer_without_https_is_refused_at_start(http, clock, issuer):
    with pytest.raises(InvalidConfiguration, match="HTTPS"):
        Issuers([issuer.settings()], http, clock, development=False)
    with pytest.raises(InvalidConfiguration, match="HTTPS"):
        trusting(http, clock, issuer.settings(issuer="http://login.example.org"))


async def test_an_issuer_twice_is_refused_at_start(http, clock, issuer):
    with pytest.raises(InvalidConfiguration, match="twice"):
        trusting(http, clock, issuer.settings(), issuer.settings(alias="again"))
    with pytest.raises(InvalidConfiguration, match="twice"):
        trusting(http, clock, issuer.settings(), issuer.settings(issuer="https://login.example.org"))


async def test_a_good_token_makes_a_principal(verify, issuer, clock):
    who = await verify(issuer.token(groups=["ml-research"], jti="j1"))
    assert (who.issuer, who.subject, who.name, who.kind) == ("people", "u1", "u1", PrincipalKind.USER)
    assert who.groups == {"ml-research"}
    assert who.token_id == "j1"
    assert who.expires_at == clock().replace(minute=10)


async def test_each_issuer_has_its_own_keys(issuer, other_issuer, http, clock):
    issuers = trusting(http, clock, issuer.settings(), other_issuer.settings(alias="jobs", kind="workload"))
    assert (await issuers.verify_subject_token(other_issuer.token())).kind is PrincipalKind.WORKLOAD
    other_issuer.keys["k9"] = other_issuer.keys["k1"]
    with pytest.raises(UnknownSigningKey):
        await issuers.verify_subject_token(other_issuer.token(iss=issuer.url, header={"kid": "k9"}))


async def test_an_issuer_that_hangs_costs_other_issuers_nothing(issuer, other_issuer, http, clock):
    issuers = trusting(http, clock, issuer.settings(), other_issuer.settings(alias="jobs", kind="workload"))
    issuer.delay = 0.5
    outcomes = []

    async def slow():
        await issuers.verify_subject_token(issuer.token())
        outcomes.append("slow")

    async def quick():
        await issuers.verify_subject_token(other_issuer.token())
        outcomes.append("quick")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(slow)
        tasks.start_soon(quick)
    assert outcomes == ["quick", "slow"]


async def test_an_issuer_that_is_away_is_named(issuer, http, clock):
    issuer.close()
    with pytest.raises(IssuerUnavailable, match=issuer.url):
        await trusting(http, clock, issuer.settings()).verify_subject_token(issuer.token())
