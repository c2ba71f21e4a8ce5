"""AWS Signature Version 4 in a query string: the algorithm alone, pure.

Source: AWS, "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)", and for the key
"Create a signed AWS API request". Step numbers below are that page's.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from urllib.parse import quote

from gateway.errors import InvalidInput

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "s3"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
"""Stands where a payload's hash would: who presigns does not know the payload."""

_HEADER_NAME = re.compile(r"[a-z0-9-]{1,128}")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]{0,1024}")
_UNSIGNABLE = frozenset(
    {
        "host",  # the signer's own
        *("authorization", "x-amz-content-sha256"),  # these make another kind of authentication of it
        *("connection", "expect", "transfer-encoding", "user-agent", "x-amzn-trace-id"),  # change on the way
    }
)


def uri_encode(text: str | bytes, *, safe: str = "") -> str:
    """Return `text` percent-encoded as SigV4's UriEncode does: all but A-Z a-z 0-9 - . _ ~ and `safe`.

    >>> uri_encode("a b+ü")
    'a%20b%2B%C3%BC'
    """
    return quote(text, safe=safe)


def encode_query(query: Mapping[str, str]) -> str:
    """Return the query string in the order given.

    >>> encode_query({"uploadId": "u/1", "partNumber": "2"})
    'uploadId=u%2F1&partNumber=2'
    """
    return "&".join(f"{uri_encode(name)}={uri_encode(value)}" for name, value in query.items())


def canonical_query(query: str) -> str:
    """Return an encoded query string with its parameters sorted by name, then by value.

    >>> canonical_query("uploadId=u%2F1&partNumber=2")
    'partNumber=2&uploadId=u%2F1'
    """
    # Sorted as pairs: as whole strings, `a-b=` would come before `a=`.
    return "&".join(f"{name}={value}" for name, _, value in sorted(pair.partition("=") for pair in query.split("&")))


def canonical_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers in lower case, sorted, with their values trimmed and runs of spaces made one.

    >>> canonical_headers({"X-Amz-Meta-Note": " a  b ", "Content-Length": "5"})
    {'content-length': '5', 'x-amz-meta-note': 'a b'}

    Raises:
        InvalidInput: a header cannot be signed: it is no header, it is ours to set, or is changed on the way.
    """
    canonical: dict[str, str] = {}
    for given, value in sorted(headers.items(), key=lambda header: header[0].lower()):
        name = given.lower()
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise InvalidInput(f"{given[:80]!r} is no header that a link can carry.")
        if name in _UNSIGNABLE or name in canonical:
            raise InvalidInput(f"The header {name!r} cannot be signed into a link, or is given twice.")
        canonical[name] = " ".join(value.split())
    return canonical


def canonical_request(method: str, path: str, query: str, headers: Mapping[str, str]) -> str:
    """Return the canonical request (step 1) of an encoded path and canonical query and headers."""
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    return f"{method}\n{path}\n{query}\n{lines}\n{';'.join(headers)}\n{UNSIGNED_PAYLOAD}"


def string_to_sign(request: str, *, date: str, scope: str) -> str:
    """Return the string to sign (step 2); `date` is like 20260131T235959Z, `scope` as `credential_scope` makes it."""
    return f"{ALGORITHM}\n{date}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"


def credential_scope(*, day: str, region: str) -> str:
    """Return what a signing key is good for.

    >>> credential_scope(day="20260131", region="eu-west-1")
    '20260131/eu-west-1/s3/aws4_request'
    """
    return f"{day}/{region}/{SERVICE}/aws4_request"


def signing_mac(secret: str, *, day: str, region: str) -> hmac.HMAC:
    """Return HMAC-SHA256 under the signing key (step 3), which is good for one day, region and service.

    Its copies sign: keeping the keyed state spares hashing the key twice a signature (RFC 2104 section 4).
    """
    key = f"AWS4{secret}".encode()
    for part in (day, region, SERVICE, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.new(key, digestmod=hashlib.sha256)


def signature(mac: hmac.HMAC, text: str) -> str:
    """Return the hex signature of a string to sign."""
    keyed = mac.copy()
    keyed.update(text.encode())
    return keyed.hexdigest()
