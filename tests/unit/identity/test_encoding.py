import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.identity.encoding import MAX_DEPTH, decode_base64url, encode_base64url, read_object


@pytest.mark.parametrize("text", ["a", "aGk=", "aG k", "aGk\n", "aGl", "+/+/", "é", "====", "a-_b\x00"])
def test_other_spellings_are_refused(text):
    with pytest.raises(ValueError, match="base64url"):
        decode_base64url(text)


@given(st.text(max_size=12))
def test_bytes_have_one_spelling(text):
    try:
        raw = decode_base64url(text)
    except ValueError:
        return
    assert encode_base64url(raw) == text


@given(st.binary())
def test_what_was_encoded_is_decoded(raw):
    assert decode_base64url(encode_base64url(raw)) == raw


@pytest.mark.parametrize(
    "raw", [b"", b"null", b"[]", b'"a"', b"{", b"{}{}", b'{"a":Infinity}', b'{"a":-Infinity}', b'{"a":{"b":1,"b":2}}']
)
def test_other_json_is_refused(raw):
    with pytest.raises(ValueError, match="it "):
        read_object(raw)


@pytest.mark.parametrize("raw", [b'{"\\ud800":1}', b'{"a":["\\udfff"]}'])
def test_half_a_surrogate_pair_is_refused(raw):
    with pytest.raises(ValueError, match="surrogate"):
        read_object(raw)


def test_depth_is_bounded_to_the_level():
    nested = {"a": 1}
    for _ in range(MAX_DEPTH - 2):
        nested = {"a": nested}
    assert read_object(json.dumps(nested).encode()) == nested
    with pytest.raises(ValueError, match="nested"):
        read_object(json.dumps({"a": nested}).encode())
    with pytest.raises(ValueError, match="nested"):
        read_object(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}")


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text()))
def test_objects_survive(value):
    if not any("\ud800" <= c <= "\udfff" for c in "".join(map(str, [*value.keys(), *value.values()]))):
        assert read_object(json.dumps(value).encode()) == value
