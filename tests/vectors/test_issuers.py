"""Each file of issuers/ is a token as a real provider writes it; infra/issuers/ make of it who it is, or refuse it.

`nbf` and `auth_time` count from now; `iat` and `exp` are added. Keys are made here.
"""

import json
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from joserfc.jwk import ECKey, OctKey, RSAKey
from joserfc.jws import JWSRegistry

from gateway.errors import by_code
from gateway.identity.encoding import encode_base64url
from gateway.identity.issuers import ACCESS_TOKENS, SUBJECT_TOKENS, Issuers
from gateway.identity.jws import SignedToken
from gateway.settings import IssuerSettings

pytestmark = pytest.mark.anyio

FOLDER = Path(__file__).parent / "issuers"
EXAMPLES = Path(__file__).parents[2] / "infra" / "issuers"
CASES = sorted(file.stem for file in FOLDER.glob("*.json"))
NOW = datetime(2030, 1, 1, tzinfo=UTC)
SECRET = OctKey.import_key("c2xlZXAgdGlnaHQsIHRoaXMgaXMgYSBzaGFyZWQgc2VjcmV0")
KEYS = {
    "RS256": RSAKey.generate_key(2048, {"kid": "RS256"}),
    "ES256": ECKey.generate_key("P-256", {"kid": "ES256"}),
    "HS256": SECRET,
}


def settings_of(example):
    found = tomllib.loads((EXAMPLES / f"{example}.toml").read_text(encoding="utf-8"))
    assert found.keys() == {"issuers"}
    return [IssuerSettings(**one) for one in found["issuers"]]


def case_of(name):
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def token_of(case):
    now = int(NOW.timestamp())
    header = {"alg": "RS256"} | case["header"]
    relative = {name: now + case["claims"][name] for name in ("nbf", "auth_time") if name in case["claims"]}
    claims = {"iat": now - 5, "exp": now + 600} | case["claims"] | relative
    header |= {"kid": header["alg"]}
    message = ".".join(encode_base64url(json.dumps(part).encode()) for part in (header, claims))
    signature = JWSRegistry.algorithms[header["alg"]].sign(message.encode(), KEYS[header["alg"]])
    return f"{message}.{encode_base64url(signature)}"


@pytest.fixture
async def web():
    """Every issuer there is: discovery and keys."""

    def answer(request):
        issuer = str(request.url).removesuffix("/.well-known/openid-configuration")
        metadata = {"issuer": issuer + SLASHES.get(issuer, ""), "jwks_uri": f"{issuer}/keys"}
        keys = {"keys": [KEYS[name].as_dict(private=False) for name in ("RS256", "ES256")]}
        document = keys if request.url.path.endswith("/keys") else metadata
        return httpx.Response(200, stream=httpx.ByteStream(json.dumps(document).encode()))

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        yield client


SLASHES = {"https://acme.eu.auth0.com": "/"}


@pytest.mark.parametrize("name", CASES)
async def test_each_token_is_who_it_is_or_refused(web, name):
    case = case_of(name)
    expected = ACCESS_TOKENS if case["token_type"] == "access_token" else SUBJECT_TOKENS
    issuers = Issuers(settings_of(case["settings"]), web, lambda: NOW)
    if "expected" in case:
        with pytest.raises(by_code()[case["expected"]]):
            await issuers.verify(SignedToken.parse(token_of(case)), expected)
        return
    who = await issuers.verify(SignedToken.parse(token_of(case)), expected)
    got = {"issuer": who.issuer, "kind": who.kind, "name": who.name, "groups": sorted(who.groups)}
    assert got == case["principal"]


def test_every_example_has_a_token_and_stands_in_the_list():
    examples = {file.stem for file in EXAMPLES.glob("*.toml")}
    accepted = {case_of(name)["settings"] for name in CASES if "expected" not in case_of(name)}
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert examples == accepted
    assert all(f"[{name}.toml]({name}.toml)" in listed for name in examples)


async def test_all_examples_fit_into_one_gateway(web):
    every = [one for file in sorted(EXAMPLES.glob("*.toml")) for one in settings_of(file.stem)]
    aliases = {one.alias: one for one in every}
    distinct = [one.model_copy(update={"alias": f"a{number}"}) for number, one in enumerate(every)]
    assert len(aliases) >= 10
    assert Issuers(distinct, web, lambda: NOW)
