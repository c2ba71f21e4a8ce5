import tracemalloc

import pytest

from gateway.envelope import SEGMENT_BYTES, Decryptor, decrypt_stream, encrypt_stream, key_check, seal
from gateway.errors import CiphertextTampered, CiphertextTruncated, IntegrityError, WrongKey

SIZE = 3_500_000


@pytest.fixture(scope="module")
def sealed(object_key, plaintext):
    return seal(object_key, plaintext(SIZE))


def released(object_key, ciphertext, chunk):
    """What comes out before the refusal."""
    chunks = (ciphertext[at : at + chunk] for at in range(0, len(ciphertext), chunk))
    out = []
    with pytest.raises(IntegrityError):
        out.extend(decrypt_stream(object_key, chunks))
    return b"".join(out)


def test_a_wrong_key_is_refused_before_anything_is_read(object_key):
    with pytest.raises(WrongKey):
        Decryptor(bytes(32), key_check=key_check(object_key))


def test_a_wrong_key_without_the_check_opens_nothing(sealed):
    with pytest.raises(CiphertextTampered, match="object key is another's"):
        list(decrypt_stream(bytes(32), [sealed]))


@pytest.mark.parametrize("at", [0, 1, 39, 40, SEGMENT_BYTES - 1, SEGMENT_BYTES, 2 * SEGMENT_BYTES + 7, -17, -1])
@pytest.mark.parametrize("chunk", [65_536, SEGMENT_BYTES, 10_000_000])
def test_nothing_of_an_altered_segment_or_after_it_is_released(object_key, plaintext, sealed, at, chunk):
    altered = bytearray(sealed)
    altered[at] ^= 0x80
    out = released(object_key, bytes(altered), chunk)
    good = (at % len(sealed)) // SEGMENT_BYTES
    assert len(out) <= max(0, good * (SEGMENT_BYTES - 16) - 40)
    assert plaintext(SIZE).startswith(out)


@pytest.mark.parametrize("length", [0, 39, 40, 41, 55, SEGMENT_BYTES, SEGMENT_BYTES + 16, 2 * SEGMENT_BYTES, -1])
def test_a_cut_is_named_where_the_size_is_known(object_key, sealed, length):
    with pytest.raises(CiphertextTruncated):
        list(decrypt_stream(object_key, [sealed[:length]], plaintext_size=SIZE))


@pytest.mark.parametrize("length", [0, 39, 40, SEGMENT_BYTES, 2 * SEGMENT_BYTES])
def test_a_cut_between_segments_is_named_without_the_size(object_key, sealed, length):
    with pytest.raises(CiphertextTruncated):
        list(decrypt_stream(object_key, [sealed[:length]]))


def test_bytes_past_the_known_end_are_refused_at_once(object_key, sealed):
    decryptor = Decryptor(object_key, plaintext_size=SIZE)
    decryptor.update(sealed)
    with pytest.raises(CiphertextTampered, match="follow"):
        decryptor.update(b"\x00")


def test_bytes_after_a_full_last_segment_are_named(object_key, plaintext):
    with pytest.raises(CiphertextTampered, match="Bytes follow segment 0"):
        list(decrypt_stream(object_key, [seal(object_key, plaintext(1_048_520)), b"\x00"]))


def test_a_failure_is_final(object_key, sealed):
    decryptor = Decryptor(object_key, plaintext_size=SIZE)
    with pytest.raises(CiphertextTampered):
        decryptor.update(bytes(len(sealed)))
    with pytest.raises(ValueError, match="ended or failed"):
        decryptor.finalize()


def test_a_cut_is_final(object_key, sealed):
    decryptor = Decryptor(object_key, plaintext_size=SIZE)
    decryptor.update(sealed[:-1])
    with pytest.raises(CiphertextTruncated):
        decryptor.finalize()
    with pytest.raises(ValueError, match="ended or failed"):
        decryptor.update(sealed[-1:])


def test_a_segment_is_released_once_something_follows_it(object_key, plaintext, sealed):
    decryptor = Decryptor(object_key)
    assert decryptor.update(sealed[:SEGMENT_BYTES]) == []
    assert decryptor.update(sealed[SEGMENT_BYTES : SEGMENT_BYTES + 1]) == [plaintext(1_048_520)]


def test_memory_stays_flat_whatever_the_object_weighs(object_key):
    chunk = bytes(SEGMENT_BYTES)
    tracemalloc.start()
    size = sum(map(len, decrypt_stream(object_key, encrypt_stream(object_key, (chunk for _ in range(64))))))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size == 64 * SEGMENT_BYTES
    assert peak < 10 * SEGMENT_BYTES
