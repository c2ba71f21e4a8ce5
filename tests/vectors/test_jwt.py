"""Each file of jwt/ is a token and the code that refuses it. Written by scripts/gen_jwt_vectors."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from gateway.errors import GatewayError, Unauthenticated
from gateway.identity import GatewayTokens, Issuers
from gateway.ports import SigningKey
from gateway.settings import IssuerSettings

pytestmark = pytest.mark.anyio

FOLDER = Path(__file__).parent / "jwt"
COMMON = json.loads((FOLDER / "_common.json").read_text())
CASES = sorted(file.stem for file in FOLDER.glob("[!_]*.json"))


class Web:
    """The whole network: two issuers, and a record of what was asked."""

    def __init__(self):
        self.asked = set()
        self.client = httpx.AsyncClient(transport=httpx.MockTransport(self._answer))

    def _answer(self, request):
        self.asked.add(request.url.host)
        issuer = f"https://{request.url.host}"
        metadata = {"issuer": issuer, "jwks_uri": f"{issuer}/keys"}
        document = COMMON["issuer_keys"] if request.url.path == "/keys" else metadata
        return httpx.Response(200, stream=httpx.ByteStream(json.dumps(document).encode()))


class PublicKeys:
    async def public_keys(self):
        return [SigningKey(key_id, pem, clock()) for key_id, pem in COMMON["gateway_keys"].items()]

    async def sign(self, message, *, key_id=""):
        raise AssertionError("nothing is signed here")


def clock():
    return datetime.fromtimestamp(COMMON["now"], UTC)


def issuers(client):
    shared = {"algorithms": COMMON["algorithms"], "leeway": timedelta(seconds=COMMON["leeway"])}
    people, jobs = COMMON["issuers"]["people"], COMMON["issuers"]["jobs"]
    audiences = [COMMON["audience"]]
    settings = [
        IssuerSettings(alias="people", issuer=people, audiences=[*audiences, "people-only"], **shared),
        IssuerSettings(alias="jobs", issuer=jobs, audiences=audiences, kind="workload", **shared),
    ]
    return Issuers(settings, client, clock)


def token_of(case):
    token = case["token"]
    return token if isinstance(token, str) else token["start"] + token["fill"] * token["length"]


async def verdict(case, web):
    gateway = GatewayTokens(PublicKeys(), COMMON["gateway"], clock)
    verify = gateway.verify if case["verifier"] == "gateway" else issuers(web.client).verify_subject_token
    try:
        await verify(token_of(case))
    except Unauthenticated as refusal:
        return refusal
    return None


@pytest.mark.parametrize("name", CASES)
async def test_each_vector_gets_its_verdict(name):
    case = json.loads((FOLDER / f"{name}.json").read_text())
    web = Web()
    refusal = await verdict(case, web)
    assert (refusal.code if refusal else None) == case["expected"]
    assert web.asked <= {"login.example.org", "jobs.example.org"}
    if isinstance(refusal, GatewayError):
        assert not leaks(case, refusal)
    await web.client.aclose()


def leaks(case, refusal):
    """Tell whether 16 characters of the token's signature stand in what the caller would read."""
    signature = token_of(case).rpartition(".")[2][:400]
    said = refusal.message + refusal.hint
    return any(signature[at : at + 16] in said for at in range(max(0, len(signature) - 16)))


def test_the_corpus_has_refusals_and_acceptances():
    expected = [json.loads((FOLDER / f"{name}.json").read_text())["expected"] for name in CASES]
    assert expected.count(None) >= 8
    assert len(expected) - expected.count(None) >= 100
