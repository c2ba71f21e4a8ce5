"""Each file of links/ is a stream link's token, and the claims or the refusal that come of it.

Written by scripts/gen_link_vectors after gateway/links/FORMAT.md, without the gateway's code.
"""

import json
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest

from gateway.errors import GatewayError
from gateway.links.claims import StreamClaims
from gateway.links.restrictions import Restrictions
from gateway.links.stream import LinkKey, StreamLinks
from gateway.model import FileEntry, PrincipalKind, ResourceKind, ResourceName

FOLDER = Path(__file__).parent / "links"
COMMON = json.loads((FOLDER / "_common.json").read_text())
NOW = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=COMMON["now_microseconds"])
CASES = {file.stem: json.loads(file.read_text()) for file in sorted(FOLDER.glob("[!_]*.json"))}
ACCEPTED = [name for name, case in CASES.items() if "claims" in case]
REFUSED = [name for name, case in CASES.items() if "refusal" in case]


@pytest.fixture
def links():
    keys = [LinkKey(bytes.fromhex(secret)) for secret in COMMON["ring"]]
    return StreamLinks(keys, base_url="https://gateway.example.org", clock=lambda: NOW)


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_token_is_refused_for_what_is_wrong_with_it(links, name):
    with pytest.raises(GatewayError) as caught:
        links.open(CASES[name]["token"])
    assert caught.value.code == CASES[name]["refusal"]


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_good_token_opens_to_its_claims(links, name):
    claims = links.open(CASES[name]["token"], source_ip="10.1.2.3")

    assert claims.encode().hex() == CASES[name]["claims"]
    assert claims == StreamClaims.decode(bytes.fromhex(CASES[name]["claims"]))


def test_each_field_reads_as_the_format_says(links):
    claims = links.open(CASES["accepted"]["token"])

    assert claims.token_id == bytes(range(16))
    assert claims.issued_at == NOW - timedelta(seconds=60)
    assert claims.expires_at == NOW + timedelta(microseconds=1)
    principal = claims.grant.principal
    assert (principal.issuer, principal.subject, principal.name) == ("people", "6f1d2a", "ada@example.org")
    assert principal.kind is PrincipalKind.USER
    assert claims.grant.resource_id == "00112233445566778899aabbccddeeff"
    assert claims.grant.resource == ResourceName(ResourceKind.DATASET, "vision", "digits")
    assert claims.grant.version == 3
    assert claims.grant.file == FileEntry(
        path="train/größe 1.parquet",
        size=5_000_000_000,
        sha256=bytes(range(32)).hex(),
        object_id="ffeeddccbbaa99887766554433221100/12",
        epoch=1,
        key_check=bytes(range(16, 32)).hex(),
    )
    assert claims.grant.restrictions == Restrictions()


def test_each_restriction_reads_as_the_format_says(links):
    claims = links.open(CASES["accepted-restricted"]["token"], source_ip="10.1.2.3")

    assert claims.grant.restrictions == Restrictions(
        span=(100, 200),
        network=ip_network("10.1.0.0/16"),
        uses=3,
        key=bytes(range(64, 96)),
        lease=bytes(range(32, 48)).hex(),
    )
