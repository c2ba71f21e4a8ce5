import io

import pytest

from gateway.envelope import SEGMENT_BYTES, Reader, key_check, seal
from gateway.errors import CiphertextTampered, CiphertextTruncated, WrongKey

SIZE = 3_500_000


class Stored:
    """An object, and what was read of it."""

    def __init__(self, ciphertext):
        self.ciphertext = ciphertext
        self.reads = []

    def read_at(self, offset, size):
        self.reads.append((offset, size))
        return self.ciphertext[offset : offset + size]


@pytest.fixture
def stored(object_key, plaintext):
    return Stored(seal(object_key, plaintext(SIZE)))


@pytest.fixture
def reader(object_key, stored):
    return Reader(object_key, stored.read_at, plaintext_size=SIZE, key_check=key_check(object_key))


def test_a_wrong_key_is_refused_before_anything_is_read(object_key, stored):
    with pytest.raises(WrongKey):
        Reader(bytes(32), stored.read_at, plaintext_size=SIZE, key_check=key_check(object_key))
    assert stored.reads == []


def test_a_shortened_object_is_refused(object_key, stored):
    stored.ciphertext = stored.ciphertext[:-1]
    with pytest.raises(CiphertextTruncated):
        Reader(object_key, stored.read_at, plaintext_size=SIZE).read()


def test_an_altered_object_is_refused(object_key, stored):
    stored.ciphertext = stored.ciphertext[:-1] + bytes([stored.ciphertext[-1] ^ 1])
    reader = Reader(object_key, stored.read_at, plaintext_size=SIZE)
    reader.seek(-1, io.SEEK_END)
    with pytest.raises(CiphertextTampered):
        reader.read(1)


@pytest.mark.parametrize(("offset", "whence"), [(-1, io.SEEK_SET), (-1, io.SEEK_CUR), (-SIZE - 1, io.SEEK_END), (0, 3)])
def test_a_position_that_is_none_is_refused(reader, offset, whence):
    with pytest.raises(ValueError, match="no position"):
        reader.seek(offset, whence)


def test_it_cannot_be_written(reader):
    assert reader.readable()
    assert reader.seekable()
    assert not reader.writable()


def test_it_reads_all(reader, plaintext):
    assert reader.read() == plaintext(SIZE)
    assert reader.tell() == SIZE
    assert reader.read() == b""
    assert reader.read(1) == b""


def test_past_the_end_is_nothing(reader):
    assert reader.seek(10, io.SEEK_END) == SIZE + 10
    assert reader.read() == b""
    assert reader.read(5) == b""


def test_a_read_is_whole_across_segments(reader, plaintext):
    reader.seek(1_000_000)
    assert reader.read(2_000_000) == plaintext(SIZE)[1_000_000:3_000_000]
    assert reader.seek(-10, io.SEEK_CUR) == 2_999_990
    assert reader.read(10) == plaintext(SIZE)[2_999_990:3_000_000]


def test_near_reads_fetch_a_segment_once(reader, stored, plaintext):
    for at in (2_000_000, 1_100_000, 2_000_001):
        reader.seek(at)
        assert reader.read(100) == plaintext(SIZE)[at : at + 100]
    assert stored.reads == [(0, 40), (SEGMENT_BYTES, SEGMENT_BYTES)]


def test_an_empty_object_reads_as_nothing(object_key):
    stored = Stored(seal(object_key, b""))
    assert Reader(object_key, stored.read_at, plaintext_size=0).read() == b""


def test_it_may_be_buffered(reader, plaintext):
    with io.BufferedReader(reader) as file:
        file.seek(1_048_519)
        assert file.read(3) == plaintext(SIZE)[1_048_519:1_048_522]
