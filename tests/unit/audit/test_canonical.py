import dataclasses
from datetime import UTC, datetime

import pytest

from gateway.audit.canonical import encode_event


@dataclasses.dataclass
class Thing:
    n: int


@pytest.mark.parametrize("value", [object(), {1, 2}, b"x", Thing(1), datetime(2026, 1, 1, tzinfo=UTC), {1: 2}])
def test_what_json_cannot_say_is_no_event(value):
    with pytest.raises(TypeError):
        encode_event({"value": value})


@pytest.mark.parametrize("number", [2**53, -(2**53), 2**64])
def test_an_integer_on_which_readers_disagree_is_no_event(number):
    with pytest.raises(TypeError):
        encode_event({"value": number})


def test_a_lone_surrogate_is_no_event():
    with pytest.raises(TypeError):
        encode_event({"name": "\ud800"})


def test_the_encoding_is_the_one_of_rfc_8785():
    # RFC 8785 3.2.2.2: the two-letter escapes, lower-case \u for other controls, and everything else as it is
    assert encode_event({"z": '\b\t\n\f\r"\\/\x00\x1f\x7f€', "a": 2**53 - 1}) == (
        b'{"a":9007199254740991,"z":"\\b\\t\\n\\f\\r\\"\\\\/\\u0000\\u001f\x7f\xe2\x82\xac"}'
    )
