import pytest

from gateway.envelope import key_check, verify_key
from gateway.errors import WrongKey


def test_another_key_is_refused(object_key):
    with pytest.raises(WrongKey):
        verify_key(bytes(32), key_check(object_key))


@pytest.mark.parametrize("expected", ["", "é", "0" * 32])
def test_another_check_is_refused(object_key, expected):
    with pytest.raises(WrongKey):
        verify_key(object_key, expected)


def test_a_key_of_another_length_is_refused(object_key):
    short = object_key[:31]
    with pytest.raises(WrongKey, match="32 bytes, not 31"):
        verify_key(short, key_check(short))


def test_a_refusal_tells_nothing_of_the_key(object_key):
    with pytest.raises(WrongKey) as refusal:
        verify_key(object_key, key_check(bytes(32)))
    told = repr(refusal.value) + refusal.value.hint
    assert key_check(object_key) not in told
    assert object_key.hex() not in told


def test_the_right_key_passes(object_key):
    verify_key(object_key, key_check(object_key))
    assert len(bytes.fromhex(key_check(object_key))) == 16
