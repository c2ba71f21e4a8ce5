import pytest

from gateway.envelope import HEADER_BYTES, SEGMENT_BYTES, Encryptor, ciphertext_size, open_sealed, seal
from gateway.errors import TooLarge, WrongKey


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_key_of_another_length_is_refused(length):
    with pytest.raises(WrongKey):
        Encryptor(bytes(length))


def test_a_segment_past_the_last_number_is_refused(object_key):
    encryptor = Encryptor(object_key)
    encryptor._index = 2**32
    with pytest.raises(TooLarge):
        encryptor.finalize()


def test_two_objects_of_one_key_share_nothing(object_key):
    first, second = seal(object_key, bytes(100)), seal(object_key, bytes(100))
    assert first[:HEADER_BYTES] != second[:HEADER_BYTES]
    assert first[HEADER_BYTES:] != second[HEADER_BYTES:]


def test_ciphertext_comes_as_the_plaintext_does(object_key, plaintext):
    encryptor = Encryptor(object_key)
    assert encryptor.update(plaintext(1_048_520)) == []
    header, first = encryptor.update(b"x")
    assert (len(header), len(header) + len(first)) == (HEADER_BYTES, SEGMENT_BYTES)
    (second,) = encryptor.finalize()
    assert open_sealed(object_key, header + first + second) == plaintext(1_048_520) + b"x"


def test_the_size_is_as_foretold(object_key, plaintext, size):
    assert len(seal(object_key, plaintext(size))) == ciphertext_size(size)
