import io

import pytest

from gateway.envelope import SEGMENT_BYTES, decrypt_file, encrypt_file, key_check, open_sealed, seal
from gateway.errors import CiphertextTampered, CiphertextTruncated, WrongKey


class Trickle(io.BytesIO):
    """A file that gives and takes less than it is asked to, as a raw file may."""

    def readinto(self, buffer):
        return super().readinto(memoryview(buffer)[:300_000])

    def write(self, data):
        return super().write(data[:300_000])


class NotReady(io.BytesIO):
    """A file that does not block."""

    def readinto(self, buffer):
        return None

    def write(self, data):
        return None


def test_a_source_that_does_not_block_is_not_taken_for_its_end(object_key):
    with pytest.raises(ValueError, match="does not block"):
        encrypt_file(object_key, NotReady(), io.BytesIO())


def test_a_sink_that_does_not_block_is_refused(object_key):
    with pytest.raises(ValueError, match="does not block"):
        encrypt_file(object_key, io.BytesIO(b"digits"), NotReady())


def test_a_wrong_key_is_refused_before_anything_is_read(object_key):
    source, sink = io.BytesIO(seal(object_key, b"digits")), io.BytesIO()
    with pytest.raises(WrongKey):
        decrypt_file(bytes(32), source, sink, key_check=key_check(object_key))
    assert source.tell() == 0


@pytest.mark.parametrize("length", [0, 39, 40, SEGMENT_BYTES])
def test_a_cut_is_named(object_key, plaintext, length):
    source = io.BytesIO(seal(object_key, plaintext(1_500_000))[:length])
    with pytest.raises(CiphertextTruncated):
        decrypt_file(object_key, source, io.BytesIO())


def test_nothing_of_an_altered_segment_is_written(object_key, plaintext):
    altered = bytearray(seal(object_key, plaintext(3_000_000)))
    altered[SEGMENT_BYTES] ^= 1
    sink = io.BytesIO()
    with pytest.raises(CiphertextTampered):
        decrypt_file(object_key, io.BytesIO(altered), sink)
    assert sink.getvalue() == plaintext(1_048_520)


@pytest.mark.parametrize("length", [41, 55])
def test_less_than_a_tag_is_refused(object_key, length):
    source = io.BytesIO(seal(object_key, b"digits")[:length])
    with pytest.raises(CiphertextTampered):
        decrypt_file(object_key, source, io.BytesIO())


def test_a_file_comes_back(object_key, plaintext, size):
    sealed, opened = Trickle(), Trickle()
    encrypt_file(object_key, Trickle(plaintext(size)), sealed)
    assert open_sealed(object_key, sealed.getvalue(), plaintext_size=size) == plaintext(size)
    decrypt_file(object_key, Trickle(sealed.getvalue()), opened, key_check=key_check(object_key))
    assert opened.getvalue() == plaintext(size)
