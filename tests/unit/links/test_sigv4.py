"""The algorithm against AWS's own worked example, and what it refuses to sign."""

import hashlib
import hmac
from urllib.parse import quote

import pytest

from gateway.errors import InvalidInput
from gateway.links import sigv4
from gateway.mac import KeyedMac


def test_the_example_in_aws_documentation_comes_out_as_printed_there():
    # "Authenticating Requests: Using Query Parameters": the GET of test.txt from examplebucket.
    scope = sigv4.credential_scope(day="20130524", region="us-east-1")
    query = sigv4.encode_query(
        {
            "X-Amz-Algorithm": sigv4.ALGORITHM,
            "X-Amz-Credential": f"AKIAIOSFODNN7EXAMPLE/{scope}",
            "X-Amz-Date": "20130524T000000Z",
            "X-Amz-Expires": "86400",
            "X-Amz-SignedHeaders": "host",
        }
    )
    request = sigv4.canonical_request(
        "GET", "/test.txt", "&".join(query), sigv4.sign_headers("examplebucket.s3.amazonaws.com")
    )
    text = sigv4.string_to_sign(request, date="20130524T000000Z", scope=scope)
    key = sigv4.signing_key("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", day="20130524", region="us-east-1")

    assert text.endswith("\n3bfa292879f6447bbcda7001decf97f4a54dc650c8942174ae0a9121cf58ad04")
    assert KeyedMac(key).hexdigest(text.encode()) == "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"


@pytest.mark.parametrize("length", [0, 1, 54, 55, 56, 63, 64, 65, 500])
def test_a_mac_is_hmac_sha256_of_each_of_its_texts(length):
    key = sigv4.signing_key("secret", day="20260131", region="eu-west-1")
    mac = KeyedMac(key)

    for text in ("a" * length, "é" * length, "a" * length):
        assert mac.hexdigest(text.encode()) == hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


@pytest.mark.parametrize("safe", ["", "/"])
def test_every_character_is_encoded_as_urllib_does(safe):
    text = "".join(map(chr, range(0x180))) + "\u1112\uffff\U0001f600"
    assert sigv4.uri_encode(text, keep_slashes=safe == "/") == quote(text, safe=safe)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "elsewhere.example"},
        {"Authorization": "Bearer x"},
        {"X-Amz-Content-Sha256": "0" * 64},
        {"User-Agent": "x"},
        {"Transfer-Encoding": "chunked"},
        {"X-Amz-Meta-A": "one\r\nX-Evil: two"},
        {"X-Amz-Meta-A": "tab\there"},
        {"X-Amz-Meta-A": "é"},
        {"X-Amz-Meta-A": "x" * 1025},
        {"X-Amz-Meta-A:": "x"},
        {"": "x"},
        {"Content-Length": "1", "content-length": "2"},
    ],
)
def test_a_header_that_cannot_be_signed_safely_is_refused(headers):
    with pytest.raises(InvalidInput):
        sigv4.sign_headers("s3.example.com", *headers.items())
