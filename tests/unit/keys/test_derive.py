import hashlib
import hmac

import pytest

from gateway.keys.derive import ObjectKeys, object_key

KEY = bytes(range(32))


@pytest.mark.parametrize("size", [0, 16, 31, 33, 64])
def test_a_data_key_of_another_size_is_refused(size):
    with pytest.raises(ValueError, match="32 bytes"):
        object_key(bytes(size), resource_id="r", object_id="o")


@pytest.mark.parametrize(("resource_id", "object_id"), [("", "o"), ("r", ""), ("r\0x", "o"), ("r", "x\0o")])
def test_an_id_that_could_be_taken_for_another_is_refused(resource_id, object_id):
    with pytest.raises(ValueError, match="NUL"):
        object_key(KEY, resource_id=resource_id, object_id=object_id)


def test_the_key_is_hkdf_of_rfc_5869():
    info = b"gateway object key v1\0res\0push/7"
    pseudorandom = hmac.digest(bytes(32), KEY, hashlib.sha256)
    assert object_key(KEY, resource_id="res", object_id="push/7") == hmac.digest(
        pseudorandom, info + b"\1", hashlib.sha256
    )


def test_every_input_changes_the_key():
    keys = {
        object_key(data_key, resource_id=resource_id, object_id=object_id)
        for data_key in (KEY, bytes(32))
        for resource_id in ("r1", "r2")
        for object_id in ("p/0", "p/1")
    }
    assert len(keys) == 8


@pytest.mark.parametrize(("data_key", "resource_id"), [(b"1" * 31, "a"), (b"1" * 32, ""), (b"1" * 32, "a\0b")])
def test_a_wrong_data_key_or_resource_derives_nothing(data_key, resource_id):
    with pytest.raises(ValueError, match=r"32 bytes|NUL"):
        ObjectKeys(data_key, resource_id)


@pytest.mark.parametrize("object_id", ["", "a\0b"])
def test_an_id_that_could_be_two_derives_nothing(object_id):
    with pytest.raises(ValueError, match="NUL"):
        ObjectKeys(b"1" * 32, "a").key(object_id)


def test_keys_derived_together_are_those_derived_alone():
    keys = ObjectKeys(b"1" * 32, "9d1f")
    for object_id in ("77aa/0", "77aa/1", "é"):
        assert keys.key(object_id) == object_key(b"1" * 32, resource_id="9d1f", object_id=object_id)
