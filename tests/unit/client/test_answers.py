import pytest

from gateway.client import answers
from gateway.errors import GatewayUnavailable
from gateway.model import ResourceName

NAME = ResourceName.parse("dataset/vision/digits")
SLOT = {"number": 0, "object_key": "AAAA", "ciphertext_size": 56, "parts": 1, "upload": None}


@pytest.mark.parametrize(
    "change",
    [
        {"number": -1},
        {"number": True},
        {"number": "0"},
        {"object_key": "a+/="},
        {"object_key": "not base64url!"},
        {"object_key": None},
        {"upload": {"url": 1, "headers": {}, "expires_at": "2026-01-01T00:00:00Z"}},
        {"upload": {"url": "", "headers": {}, "expires_at": "2026-01-01T00:00:00"}},
    ],
)
def test_a_slot_that_is_not_as_agreed_is_refused(change):
    with pytest.raises(GatewayUnavailable, match="does not understand"):
        answers.read(answers.slots, {"objects": [SLOT | change]}, "http://gateway.example")


def test_a_slot_is_read_and_hides_its_key():
    [slot] = answers.read(answers.slots, {"objects": [SLOT]}, "http://gateway.example")
    assert slot.object_key == b"\0\0\0"
    assert "key" not in repr(slot)


def test_a_refused_answer_does_not_show_what_was_in_it():
    with pytest.raises(GatewayUnavailable) as caught:
        answers.read(answers.slots, {"objects": [SLOT | {"object_key": "secret secret"}]}, "http://gateway.example")
    assert "secret" not in str(caught.value)
