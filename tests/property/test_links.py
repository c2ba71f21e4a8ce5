"""Links over everything that Hypothesis thinks of."""

import string
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidPath, LinkRefused, RangeNotSatisfiable
from gateway.links.byte_range import parse_range
from gateway.links.claims import StreamClaims, StreamGrant
from gateway.links.disposition import attachment
from gateway.links.preconditions import evaluate, range_applies
from gateway.links.presign import Presigner
from gateway.links.restrictions import MAX_USES, Restrictions, parse_network
from gateway.links.stream import LinkKey, StreamLinks
from gateway.model import FileEntry, Principal, PrincipalKind, ResourceKind, ResourceName, check_path
from gateway.ports import Bucket, StorageCredentials

NOW = datetime(2026, 1, 31, 23, 59, 58, tzinfo=UTC)
LINKS = StreamLinks([LinkKey(b"1" * 32)], base_url="https://gateway.example.org", clock=lambda: NOW)
SIGNER = Presigner(
    Bucket("https://s3.example.com", "bucket", "eu-west-1"), StorageCredentials("AKID", "secret"), clock=lambda: NOW
)
NAMES = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=63)
COUNTS = st.integers(0, 2**64 - 1)


def is_path(text):
    try:
        check_path(text)
    except InvalidPath:
        return False
    return True


def digests(length):
    return st.binary(min_size=length, max_size=length).map(bytes.hex)


PATHS = st.text(max_size=200).filter(is_path)
GRANTS = st.builds(
    StreamGrant,
    principal=st.builds(
        Principal,
        issuer=NAMES,
        subject=st.text(st.characters(exclude_categories=["Cs"]), max_size=255),
        kind=st.sampled_from(PrincipalKind),
        name=NAMES,
    ),
    resource_id=digests(16),
    resource=st.builds(ResourceName, st.sampled_from(ResourceKind), NAMES, NAMES),
    version=COUNTS,
    file=st.builds(
        FileEntry, path=PATHS, size=COUNTS, sha256=digests(32), object_id=NAMES, epoch=COUNTS, key_check=digests(16)
    ),
    restrictions=st.builds(
        Restrictions,
        span=st.none() | st.tuples(st.integers(0, 2**63), st.integers(1, 2**62)).map(lambda at: (at[0], sum(at))),
        network=st.none() | st.sampled_from(["203.0.113.7/32", "203.0.0.0/16", "0.0.0.0/0"]).map(parse_network),
        uses=st.none() | st.integers(1, MAX_USES),
        key=st.none() | st.binary(min_size=32, max_size=32),
        lease=st.none() | digests(16),
    ),
)


@given(GRANTS, st.timedeltas(timedelta(seconds=1), timedelta(days=7)))
def test_what_is_issued_opens_to_the_same_grant(grant, life):
    link = LINKS.issue(grant, expires_in=life)
    claims = LINKS.open(link.url.rpartition("/")[2], source_ip="203.0.113.7")

    assert claims.grant == grant
    assert claims.expires_at == link.expires_at == NOW + life
    assert StreamClaims.decode(claims.encode()) == claims


@given(st.text(max_size=600) | st.text(string.ascii_letters + string.digits + "-_", max_size=600))
def test_no_other_text_opens(token):
    with pytest.raises(LinkRefused):
        LINKS.open(token)


@given(st.binary(max_size=400))
def test_bytes_decode_to_claims_that_encode_to_them_or_not_at_all(data):
    with pytest.raises(ValueError, match="claims"):
        StreamClaims.decode(data)


@given(GRANTS, st.data())
def test_claims_altered_anywhere_decode_to_other_claims_or_not_at_all(grant, data):
    claims = StreamClaims(grant, bytes(16), NOW, NOW + timedelta(minutes=1))
    encoded = bytearray(claims.encode())
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] ^= data.draw(st.integers(1, 255))
    try:
        other = StreamClaims.decode(bytes(encoded))
    except ValueError:
        return
    assert other != claims
    assert other.encode() == encoded


@given(st.text(min_size=1, max_size=300))
def test_a_signed_url_names_the_very_key_or_there_is_none(key):
    try:
        url = SIGNER.sign("GET", key, expires_in=timedelta(minutes=5)).url
    except InvalidPath:
        return
    path = urlsplit(url).path
    assert path == f"/bucket/{quote(key, safe='/')}"
    assert unquote(path) == f"/bucket/{key}"
    assert url.isascii()


@given(st.text(max_size=300) | st.from_regex(r"bytes=[0-9]{0,4}-[0-9]{0,4}(,[0-9]{0,3}-)?", fullmatch=True), COUNTS)
def test_a_range_lies_in_the_file(header, size):
    try:
        found = parse_range(header, size=size)
    except RangeNotSatisfiable:
        return
    assert found is None or 0 <= found.start < found.end <= size


@given(st.text(max_size=300), st.text(max_size=300))
def test_conditions_have_an_answer_for_every_header(one, other):
    evaluate('"a"', if_match=one, if_none_match=other)
    assert range_applies('"a"', if_range=one) == (one.strip(" \t") == '"a"')


@given(st.text(max_size=300))
def test_a_disposition_is_one_line_of_plain_ascii(path):
    header = attachment(path)
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2
