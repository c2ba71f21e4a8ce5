"""Which settings are about a token, and what they ask of it."""

from datetime import timedelta

import pytest

from gateway.errors import (
    InvalidClaim,
    InvalidConfiguration,
    StepUpRequired,
    TokenExpired,
    UnknownSigningKey,
    WrongAudience,
    WrongTokenType,
)
from gateway.identity.issuers import ACCESS_TOKENS, Issuers
from gateway.identity.jws import SignedToken
from gateway.model import PrincipalKind

pytestmark = pytest.mark.anyio

SERVICE = {"preferred_username": "service-account-*"}


@pytest.fixture
def verify_with(issuer, http, clock):
    def make(*changes):
        settings = [issuer.settings(**one) for one in changes]
        return Issuers(settings, http, clock, development=True).verify_subject_token

    return make


@pytest.fixture
def access_with(issuer, http, clock):
    def make(**changes):
        issuers = Issuers([issuer.settings(**changes)], http, clock, development=True)

        async def verify(token):
            return await issuers.verify(SignedToken.parse(token), ACCESS_TOKENS)

        return verify

    return make


async def test_settings_that_no_token_can_reach_are_refused_at_start(verify_with):
    for first, second in (
        ({}, {"when": SERVICE}),
        ({"when": SERVICE}, {"when": SERVICE | {"hd": "x"}}),
        ({"audiences": ["gateway", "b"]}, {"audiences": ["b"]}),
    ):
        with pytest.raises(InvalidConfiguration, match="twice: people takes all tokens of jobs"):
            verify_with(first, second | {"alias": "jobs"})


async def test_an_alias_twice_is_refused_at_start(verify_with):
    with pytest.raises(InvalidConfiguration, match="alias people"):
        verify_with({"when": SERVICE}, {})


async def test_users_and_services_of_one_issuer_are_told_apart(verify_with, issuer):
    verify = verify_with({"alias": "services", "when": SERVICE, "kind": "workload"}, {})
    service = await verify(issuer.token(preferred_username="service-account-etl"))
    person = await verify(issuer.token(preferred_username="ada"))
    assert (service.issuer, service.kind) == ("services", PrincipalKind.WORKLOAD)
    assert (person.issuer, person.kind) == ("people", PrincipalKind.USER)


async def test_settings_of_one_issuer_may_differ_by_audience(verify_with, issuer):
    verify = verify_with({"alias": "a", "audiences": ["a"]}, {"alias": "b", "audiences": ["b"]})
    assert [(await verify(issuer.token(aud=aud))).issuer for aud in ("a", "b", ["b", "a"])] == ["a", "b", "a"]
    with pytest.raises(WrongAudience, match="expected 'a', got 'c'"):
        await verify(issuer.token(aud="c"))


async def test_one_key_set_serves_all_settings_of_an_issuer(verify_with, issuer):
    verify = verify_with({"alias": "a", "audiences": ["a"]}, {"alias": "b", "audiences": ["b"]})
    for audience in ("a", "b"):
        await verify(issuer.token(aud=audience))
    assert issuer.requests.count("/keys") == 1


@pytest.mark.parametrize(
    ("when", "claims", "fits"),
    [
        ({"sub": "repo:acme/*"}, {"sub": "repo:acme/vision"}, True),
        ({"sub": "repo:acme/*"}, {"sub": "repo:acme-evil/vision"}, False),
        ({"sub": "repo:acme/*"}, {"sub": "x\nrepo:acme/"}, False),
        ({"roles": ["a", "b"]}, {"roles": ["c", "b"]}, True),
        ({"roles": ["a", "b"]}, {"roles": "ab"}, False),
        ({"kubernetes.io.namespace": "ml"}, {"kubernetes.io": {"namespace": "ml"}}, True),
        ({"realm_access.roles": "x"}, {"realm_access": {"roles": ["x"]}}, True),
        ({"ref_protected": "true"}, {"ref_protected": True}, True),
        ({"level": "3"}, {"level": 3}, True),
        ({"a": "*"}, {}, False),
        ({"a.b": "["}, {"a": {"b": "["}}, True),
    ],
)
async def test_only_tokens_with_the_claims_are_taken(verify_with, issuer, when, claims, fits):
    verify = verify_with({"when": when})
    if fits:
        assert await verify(issuer.token(**claims))
        return
    with pytest.raises(InvalidClaim, match="trusted for other tokens"):
        await verify(issuer.token(**claims))


async def test_a_token_may_be_too_old_before_it_expires(verify_with, issuer, clock):
    verify = verify_with({"max_token_age": timedelta(minutes=5), "leeway": timedelta(0)})
    token = issuer.token()
    clock.advance(minutes=5)
    assert await verify(token)
    clock.advance(seconds=1)
    with pytest.raises(TokenExpired, match="300 s ago"):
        await verify(token)


async def test_a_token_that_does_not_say_how_old_it_is_is_refused_where_it_matters(verify_with, issuer):
    with pytest.raises(InvalidClaim, match="iat"):
        await verify_with({"max_token_age": 300})(issuer.token(iat=None))


@pytest.mark.parametrize(
    ("changes", "claims", "demand"),
    [
        ({"required_acr": ["gold", "silver"]}, {"acr": "bronze"}, {"acr_values": ("gold", "silver")}),
        ({"required_acr": ["gold"]}, {}, {"acr_values": ("gold",)}),
        ({"required_amr": ["pwd", "otp"]}, {"amr": ["pwd"]}, {"amr_values": ("otp",)}),
        ({"max_login_age": 300}, {}, {"max_age": timedelta(minutes=5)}),
        ({"max_login_age": 300}, {"auth_time": 1}, {"max_age": timedelta(minutes=5)}),
    ],
)
async def test_a_login_that_is_too_weak_is_told_which_would_do(verify_with, issuer, changes, claims, demand):
    with pytest.raises(StepUpRequired) as refused:
        await verify_with(changes)(issuer.token(**claims))
    assert demand.items() <= vars(refused.value).items()


async def test_a_login_that_is_strong_enough_passes(verify_with, issuer, clock):
    asked = {"required_acr": ["gold", "silver"], "required_amr": ["pwd", "otp"], "max_login_age": 300}
    token = issuer.token(acr="silver", amr=["otp", "pwd"], auth_time=int(clock().timestamp()) - 300)
    assert (await verify_with(asked)(token)).acr == "silver"


@pytest.mark.parametrize("missing", ["client_id", "jti", "iat"])
async def test_an_access_token_lacks_nothing_that_rfc_9068_asks_for(access_with, issuer, missing):
    claims = {"client_id": "web", "jti": "j1"} | {missing: None}
    with pytest.raises(InvalidClaim, match=missing):
        await access_with()(issuer.token(header={"typ": "at+jwt"}, **claims))


async def test_an_issuer_without_the_media_type_is_told_by_claims(access_with, issuer):
    verify = access_with(access_token_claims={"typ": "Bearer"})
    assert (await verify(issuer.token(typ="Bearer", azp="web"))).client_id == "web"
    for other in ({}, {"typ": "ID"}):
        with pytest.raises(WrongTokenType):
            await verify(issuer.token(**other))


async def test_only_the_kinds_of_the_settings_are_taken(access_with, issuer):
    with pytest.raises(WrongTokenType, match="people is not trusted for an access token"):
        await access_with(tokens=["id_token"])(issuer.token(header={"typ": "at+jwt"}))


async def test_spiffes_media_type_is_a_workloads_alone(verify_with, issuer):
    token = issuer.token(header={"typ": "JOSE"}, sub="spiffe://acme.example/etl")
    assert (await verify_with({"kind": "workload"})(token)).subject == "spiffe://acme.example/etl"
    with pytest.raises(WrongTokenType, match="'jose'"):
        await verify_with({})(token)


@pytest.mark.parametrize("cnf", [{"x5t#S256": "A" * 43}, {"jkt": "short"}, {"jkt": 7}, "text", {}])
async def test_a_token_bound_in_a_way_that_we_do_not_know_is_no_bearer_token(verify_with, issuer, cnf):
    with pytest.raises(InvalidClaim, match="bound"):
        await verify_with({})(issuer.token(cnf=cnf))


async def test_settings_of_another_issuer_lend_no_keys(http, clock, issuer, other_issuer):
    settings = [issuer.settings(), other_issuer.settings(alias="other")]
    other_issuer.keys["k9"] = other_issuer.keys["k1"]
    token = other_issuer.token(key="k9", iss=issuer.url)
    with pytest.raises(UnknownSigningKey):
        await Issuers(settings, http, clock, development=True).verify_subject_token(token)
