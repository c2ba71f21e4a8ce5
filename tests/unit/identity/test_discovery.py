import json

import pytest

from gateway.errors import IssuerUnavailable
from gateway.identity import discovery
from gateway.identity.discovery import MAX_DOCUMENT_BYTES, KeyDiscovery, is_fetchable

pytestmark = pytest.mark.anyio
METADATA = "/.well-known/openid-configuration"


@pytest.fixture
def found(issuer, http):
    return KeyDiscovery(issuer.url, http, development=True)


def answer(issuer, path, document):
    issuer.answers[path] = (200, {}, json.dumps(document).encode())


@pytest.mark.parametrize(
    "url",
    [
        "http://login.example.org",
        "http://10.0.0.1",
        "http://127.0.0.1.example.org",
        "ftp://login.example.org",
        "file:///etc/passwd",
        "//login.example.org",
        "https://",
        "https://user@login.example.org",
        "https://login.example.org?x=1",
        "https://login.example.org#x",
        "https://login.example.org:99999999",
        "https://[::1",
        "https://lögin.example.org",
    ],
)
def test_other_addresses_are_never_fetched(url):
    assert not is_fetchable(url, development=True)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8200/v1", "http://[::1]:8200", "http://localhost:8200"])
def test_plain_http_is_for_loopback_in_development_alone(url):
    assert is_fetchable(url, development=True)
    assert not is_fetchable(url, development=False)


async def test_redirects_are_not_followed(found, issuer, other_issuer):
    issuer.answers[METADATA] = (302, {"Location": other_issuer.url + METADATA}, b"")
    with pytest.raises(IssuerUnavailable, match="status 302"):
        await found.fetch()
    assert other_issuer.requests == []


async def test_a_document_of_another_issuer_is_refused(found, issuer, other_issuer):
    answer(issuer, METADATA, other_issuer.document(METADATA))
    with pytest.raises(IssuerUnavailable, match="names the issuer"):
        await found.fetch()
    assert other_issuer.requests == []


@pytest.mark.parametrize("address", [None, 7, "http://keys.example.org/", "file:///etc/passwd"])
async def test_keys_elsewhere_than_at_https_are_refused(found, issuer, address):
    answer(issuer, METADATA, {"issuer": issuer.url, "jwks_uri": address})
    with pytest.raises(IssuerUnavailable, match="jwks_uri"):
        await found.fetch()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b" " * (MAX_DOCUMENT_BYTES + 1), "longer than"),
        (b"<html>", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"keys": {}}', "no list"),
        (b'{"keys": []}', "no key"),
        (b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}', "no key"),
        (json.dumps({"keys": [{}] * 101}).encode(), "more than 100"),
    ],
)
async def test_a_bad_key_set_is_refused_with_a_reason(found, issuer, body, reason):
    issuer.answers["/keys"] = (200, {}, body)
    with pytest.raises(IssuerUnavailable, match=reason):
        await found.fetch()


async def test_a_compressed_answer_is_refused(found, issuer):
    issuer.answers["/keys"] = (200, {"Content-Encoding": "gzip"}, b"x")
    with pytest.raises(IssuerUnavailable, match="compressed"):
        await found.fetch()


async def test_an_issuer_that_hangs_is_given_up(found, issuer, monkeypatch):
    monkeypatch.setattr(discovery, "TIMEOUT", discovery.TIMEOUT / 100)
    issuer.delay = 0.3
    with pytest.raises(IssuerUnavailable, match="did not answer"):
        await found.fetch()


async def test_the_keys_are_found_by_way_of_the_discovery_document(found, issuer):
    assert [key.kid for key in await found.fetch()] == ["k1"]
    assert issuer.requests == [METADATA, "/keys"]
