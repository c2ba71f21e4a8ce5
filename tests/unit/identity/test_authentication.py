"""Who is calling: one place, access tokens alone, bound tokens with their proof, and nothing that was revoked."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.errors import InvalidDpopProof, TokenExpired, TokenRevoked, Unauthenticated, UnknownIssuer, WrongTokenType
from gateway.identity import Authentication, Call, Credentials, GatewayTokens, Issuers
from gateway.identity.remembered import Remembered
from gateway.model import Principal, PrincipalKind, Revocation, RevocationKind

pytestmark = pytest.mark.anyio

URL = "https://gateway.example.org"
CALL = Call("GET", f"{URL}/v1/whoami")
ACCESS = {"typ": "at+jwt"}


@pytest.fixture
def tokens(signer, clock):
    return GatewayTokens(signer, URL, clock)


@pytest.fixture
def identify_with(http, clock, tokens, proofs, revocations):
    def make(*settings):
        issuers = Issuers(settings, http, clock, development=True)
        return Authentication(issuers, tokens, proofs, revocations, clock).identify

    return make


@pytest.fixture
def identify(identify_with, issuer):
    return identify_with(issuer.settings())


@pytest.fixture
def ada(clock):
    at = clock()
    return Principal(
        "people", "u1", PrincipalKind.USER, "ada", client_id="web", token_id="id-1", login_at=at,
        expires_at=at + timedelta(hours=1),
    )  # fmt: skip


@pytest.fixture
def bound(tokens, ada, client):
    async def make():
        return (await tokens.issue(replace(ada, key_thumbprint=client.thumbprint), client_id="cli")).access_token

    return make


def bearer(token):
    return Credentials("bearer", token, CALL)


async def test_an_id_token_is_no_access_token(identify, issuer):
    for header in ({}, {"typ": "JWT"}):
        with pytest.raises(WrongTokenType, match="access token"):
            await identify(bearer(issuer.token(header=header)))


async def test_a_workload_token_is_no_access_token(identify_with, issuer):
    with pytest.raises(WrongTokenType, match="access token"):
        await identify_with(issuer.settings(kind="workload"))(bearer(issuer.token()))


async def test_a_strangers_token_is_refused(identify, other_issuer):
    with pytest.raises(UnknownIssuer):
        await identify(bearer(other_issuer.token(header=ACCESS)))


async def test_an_issuers_access_token_is_taken(identify, issuer):
    token = issuer.token(header=ACCESS, client_id="web", jti="j1", groups=["ml"])
    who = (await identify(bearer(token))).principal
    assert (who.issuer, who.subject, who.client_id, who.token_id) == ("people", "u1", "web", "j1")


async def test_a_gateway_token_is_taken(identify, tokens, ada):
    answer = await tokens.issue(ada, client_id="cli")
    assert (await identify(bearer(answer.access_token))).principal == answer.principal


async def test_a_remembered_token_ends_at_its_expiry_too(identify, tokens, ada, clock):
    token = (await tokens.issue(replace(ada, expires_at=clock() + timedelta(seconds=10)), client_id="c")).access_token
    await identify(bearer(token))
    clock.advance(seconds=10)
    with pytest.raises(TokenExpired):
        await identify(bearer(token))


async def test_what_is_remembered_is_verified_once(identify, tokens, ada, monkeypatch):
    token = (await tokens.issue(ada, client_id="c")).access_token
    await identify(bearer(token))
    monkeypatch.setattr(tokens, "verify", None)
    assert (await identify(bearer(token))).principal.name == "ada"


@pytest.mark.parametrize("length", [1, 2])
async def test_what_is_remembered_is_bounded(ada, clock, length):
    memory = Remembered(length)
    for number in range(3):
        memory.keep(str(number), ada, now=clock())
    assert len(memory) == length
    assert memory.find("2", now=clock()).principal == ada
    assert memory.find("0", now=clock()) is None


async def test_a_bound_token_without_its_proof_is_refused(identify, bound, client, thief):
    token = await bound()
    for credentials in (
        bearer(token),
        Credentials("bearer", token, CALL, client.proof(CALL, token=token)),
        Credentials("dpop", token, CALL),
        Credentials("dpop", token, CALL, thief.proof(CALL, token=token)),
        Credentials("dpop", token, CALL, client.proof(CALL)),
        Credentials("dpop", token, CALL, client.proof(Call("GET", f"{URL}/v1/resources"), token=token)),
    ):
        with pytest.raises(InvalidDpopProof):
            await identify(credentials)


async def test_a_bound_token_with_its_proof_is_taken_once_a_proof(identify, bound, client):
    token = await bound()
    credentials = Credentials("dpop", token, CALL, client.proof(CALL, token=token))
    assert (await identify(credentials)).principal.key_thumbprint == client.thumbprint
    with pytest.raises(InvalidDpopProof, match="before"):
        await identify(credentials)


async def test_a_bearer_token_in_the_other_scheme_is_refused(identify, tokens, ada, client):
    token = (await tokens.issue(ada, client_id="c")).access_token
    with pytest.raises(Unauthenticated, match="bound to no key"):
        await identify(Credentials("dpop", token, CALL, client.proof(CALL, token=token)))


async def test_an_issuer_may_require_that_its_access_tokens_are_bound(identify_with, issuer, client):
    identify = identify_with(issuer.settings(dpop="required"))
    with pytest.raises(InvalidDpopProof, match="must be bound"):
        await identify(bearer(issuer.token(header=ACCESS, client_id="web", jti="j1")))
    token = issuer.token(header=ACCESS, client_id="web", jti="j2", cnf={"jkt": client.thumbprint})
    credentials = Credentials("dpop", token, CALL, client.proof(CALL, token=token))
    assert (await identify(credentials)).principal.key_thumbprint == client.thumbprint


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (RevocationKind.ISSUER, "people"),
        (RevocationKind.SUBJECT, "people/u1"),
        (RevocationKind.CLIENT, "people/web"),
        (RevocationKind.TOKEN, "id-1"),
    ],
)
async def test_a_revoked_login_ends_also_where_its_token_is_remembered(
    identify, tokens, ada, revocations, clock, kind, value
):
    token = (await tokens.issue(ada, client_id="cli")).access_token
    await identify(bearer(token))
    await revocations.add(Revocation(kind, value, clock(), clock()))
    with pytest.raises(TokenRevoked):
        await identify(bearer(token))
    later = replace(ada, login_at=clock() + timedelta(seconds=1), token_id="id-2")
    assert await identify(bearer((await tokens.issue(later, client_id="cli")).access_token))


async def test_a_token_revoked_by_its_own_id_ends(identify, tokens, ada, revocations, clock):
    answer = await tokens.issue(ada, client_id="cli")
    await revocations.add(Revocation(RevocationKind.TOKEN, answer.principal.token_id, clock(), clock()))
    with pytest.raises(TokenRevoked):
        await identify(bearer(answer.access_token))


async def test_a_login_that_does_not_say_when_it_was_counts_as_an_old_one(identify, tokens, ada, revocations, clock):
    answer = await tokens.issue(replace(ada, login_at=None), client_id="cli")
    await revocations.add(Revocation(RevocationKind.ISSUER, "people", clock() - timedelta(days=9), clock()))
    with pytest.raises(TokenRevoked):
        await identify(bearer(answer.access_token))
