import pytest

from gateway.envelope import HEADER_BYTES, SEGMENT_BYTES, TAG_BYTES, ciphertext_size, plaintext_size
from gateway.envelope.layout import Header, segment_count, segment_of, segment_start
from gateway.errors import CiphertextTampered, CiphertextTruncated, TooLarge

HEADER = Header(salt=bytes(range(32)), nonce_prefix=b"prefix.")


@pytest.mark.parametrize("size", [0, 39, 40, 55, SEGMENT_BYTES + 1, SEGMENT_BYTES + 16, 2 * SEGMENT_BYTES + 16])
def test_sizes_that_no_plaintext_gives_are_refused(size):
    with pytest.raises(CiphertextTruncated):
        plaintext_size(size)


def test_more_segments_than_the_nonce_counts_are_refused():
    largest = (SEGMENT_BYTES - TAG_BYTES) * 2**32 - HEADER_BYTES
    assert segment_count(largest) == 2**32
    with pytest.raises(TooLarge):
        ciphertext_size(largest + 1)
    with pytest.raises(TooLarge):
        HEADER.nonce(2**32, last=False)


def test_a_short_header_is_refused():
    with pytest.raises(CiphertextTruncated):
        Header.parse(bytes(HEADER)[:39])


def test_a_header_of_another_length_is_refused():
    with pytest.raises(CiphertextTampered):
        Header.parse(b"\x18" + bytes(39))


def test_a_header_reads_as_it_was_written():
    assert Header.parse(bytes(HEADER)) == HEADER
    assert len(bytes(HEADER)) == HEADER_BYTES


def test_sizes_go_both_ways(size):
    assert plaintext_size(ciphertext_size(size)) == size


def test_nonces_differ_by_place_and_by_being_last():
    nonces = {HEADER.nonce(index, last=last) for index in (0, 1, 256, 2**32 - 1) for last in (False, True)}
    assert len(nonces) == 8
    assert HEADER.nonce(258, last=True) == b"prefix.\x00\x00\x01\x02\x01"


def test_a_segment_holds_its_first_byte_and_not_the_one_before():
    for index in (1, 2, 1000):
        assert segment_of(segment_start(index)) == index
        assert segment_of(segment_start(index) - 1) == index - 1
