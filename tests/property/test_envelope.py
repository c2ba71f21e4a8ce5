"""What holds of every plaintext, however it is cut, and of every range of it."""

from hashlib import sha256
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.envelope import (
    SEGMENT_BYTES,
    Reader,
    ciphertext_size,
    decrypt_stream,
    encrypt_stream,
    open_sealed,
    plaintext_size,
    plan_range,
    seal,
)
from gateway.errors import IntegrityError

KEY = sha256(b"a key for tests").digest()
PIECE = SEGMENT_BYTES - 16

near_boundaries = st.builds(
    lambda segments, away: max(0, segments * PIECE - 40 + away), st.integers(0, 3), st.integers(-60, 60)
)
sizes = st.one_of(near_boundaries, st.integers(0, 3 * PIECE))
few = settings(max_examples=30, deadline=None)


def text(size):
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def chunks(data, cuts):
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


@few
@given(sizes, st.integers(0), st.integers(0, 7))
def test_no_flipped_bit_goes_unnoticed(size, at, bit):
    altered = bytearray(seal(KEY, text(size)))
    altered[at % len(altered)] ^= 1 << bit
    with pytest.raises(IntegrityError):
        open_sealed(KEY, altered)


@few
@given(sizes, st.integers(0))
def test_no_cut_goes_unnoticed(size, length):
    sealed = seal(KEY, text(size))
    with pytest.raises(IntegrityError):
        open_sealed(KEY, sealed[: length % len(sealed)])


@few
@given(sizes, st.lists(st.integers(0), max_size=8), st.lists(st.integers(0), max_size=8))
def test_what_goes_in_comes_out_however_it_is_cut(size, plain_cuts, sealed_cuts):
    sealed = b"".join(encrypt_stream(KEY, chunks(text(size), plain_cuts)))
    assert len(sealed) == ciphertext_size(size)
    assert b"".join(decrypt_stream(KEY, chunks(sealed, sealed_cuts), plaintext_size=size)) == text(size)


@few
@given(sizes.filter(bool), st.integers(0), st.integers(1))
def test_every_range_reads_as_a_slice(size, start, length):
    start %= size
    sealed = seal(KEY, text(size))
    reader = Reader(KEY, lambda at, count: sealed[at : at + count], plaintext_size=size)
    reader.seek(start)
    assert reader.read(length % size) == text(size)[start : start + length % size]


@given(st.integers(1, 2**50), st.integers(0), st.integers(1))
def test_a_plan_takes_no_segment_too_many(size, start, length):
    plan = plan_range(start % size, start % size + length, size)
    assert plan.ciphertext_end <= ciphertext_size(size)
    assert 0 <= plan.skip < PIECE
    assert plan.ciphertext_size < plan.size + 2 * SEGMENT_BYTES + 16 * (plan.size // PIECE + 2)


@given(st.integers(0, 2**50))
def test_sizes_go_both_ways(size):
    assert plaintext_size(ciphertext_size(size)) == size
