"""The measures of the format: header, nonces, segments, sizes. Every position follows from the size alone."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from gateway.errors import CiphertextTampered, CiphertextTruncated, TooLarge

SEGMENT_BYTES = 1024 * 1024
"""Bytes of ciphertext in a segment. The first segment's include the header; the last segment may be shorter."""

SALT_BYTES = 32
NONCE_PREFIX_BYTES = 7

HEADER_BYTES = 1 + SALT_BYTES + NONCE_PREFIX_BYTES
"""The header: its own length in one byte, the salt, the nonce prefix."""

TAG_BYTES = 16
"""What GCM adds to each segment (NIST SP 800-38D 5.2.1.2: t = 128)."""

MAX_SEGMENTS = 2**32
"""The nonce counts segments in four bytes."""

REST_PLAINTEXT_BYTES = SEGMENT_BYTES - TAG_BYTES
"""Plaintext in every segment but the first and the last."""

FIRST_PLAINTEXT_BYTES = REST_PLAINTEXT_BYTES - HEADER_BYTES
"""Plaintext in a full first segment."""


Randomness = Callable[[int], bytes]
"""Returns as many random bytes as asked for."""


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before the segments: random for each object, public, and bound into every segment's key and nonce."""

    salt: bytes = field(repr=False)
    nonce_prefix: bytes = field(repr=False)

    @classmethod
    def generate(cls, randomness: Randomness) -> Self:
        """Return a new object's header."""
        return cls(randomness(SALT_BYTES), randomness(NONCE_PREFIX_BYTES))

    @classmethod
    def parse(cls, data: bytes | memoryview) -> Self:
        """Read the first bytes of a ciphertext.

        Raises:
            CiphertextTruncated: there are fewer than 40.
            CiphertextTampered: the first byte is not a header's length as we write it.
        """
        if len(data) < HEADER_BYTES:
            raise CiphertextTruncated(f"The ciphertext ends within its header: {len(data)} of {HEADER_BYTES} bytes.")
        if data[0] != HEADER_BYTES:
            raise CiphertextTampered(f"The ciphertext does not start with a header: byte 0 is {data[0]}.")
        return cls(bytes(data[1 : 1 + SALT_BYTES]), bytes(data[1 + SALT_BYTES : HEADER_BYTES]))

    def __bytes__(self) -> bytes:
        return bytes((HEADER_BYTES,)) + self.salt + self.nonce_prefix

    def nonce(self, index: int, *, last: bool) -> bytes:
        """Return the 12-byte nonce of segment `index`, which counts from 0.

        It differs for each segment, so that they cannot change places, and for the last, so that none can be cut off
        (Hoang, Reyhanitabar, Rogaway, Vizár: "Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance").

        Raises:
            TooLarge: the format has no such segment.
        """
        if index >= MAX_SEGMENTS:
            raise TooLarge(f"An object has at most {MAX_SEGMENTS:,} segments of {SEGMENT_BYTES:,} bytes.")
        return self.nonce_prefix + index.to_bytes(4, "big") + bytes((last,))


def segment_of(position: int) -> int:
    """Return the index of the segment that holds the plaintext byte `position`.

    >>> segment_of(0), segment_of(FIRST_PLAINTEXT_BYTES - 1), segment_of(FIRST_PLAINTEXT_BYTES)
    (0, 0, 1)
    """
    return (position + HEADER_BYTES) // REST_PLAINTEXT_BYTES


def segment_start(index: int) -> int:
    """Return the position of a segment's first plaintext byte.

    >>> segment_start(0), segment_start(1) == FIRST_PLAINTEXT_BYTES
    (0, True)
    """
    return max(0, index * REST_PLAINTEXT_BYTES - HEADER_BYTES)


def segment_count(plaintext_size: int) -> int:
    """Return how many segments the plaintext takes; an empty one takes one.

    >>> segment_count(0), segment_count(FIRST_PLAINTEXT_BYTES), segment_count(FIRST_PLAINTEXT_BYTES + 1)
    (1, 1, 2)

    Raises:
        TooLarge: more than the nonce can count, about 4 PiB.
    """
    count = segment_of(max(0, plaintext_size - 1)) + 1
    if count > MAX_SEGMENTS:
        raise TooLarge(f"A file of {plaintext_size:,} bytes takes more than {MAX_SEGMENTS:,} segments.")
    return count


def ciphertext_size(plaintext_size: int) -> int:
    """Return the bytes that a plaintext of this size takes when encrypted.

    >>> ciphertext_size(0), ciphertext_size(1_000_000_000)
    (56, 1000015304)

    Raises:
        TooLarge: more segments than the format can count.
    """
    return HEADER_BYTES + plaintext_size + TAG_BYTES * segment_count(plaintext_size)


def plaintext_size(ciphertext_size: int) -> int:
    """Return the bytes that a ciphertext of this size holds.

    >>> plaintext_size(56)
    0

    Raises:
        CiphertextTruncated: no plaintext gives a ciphertext of this size.
    """
    segments = -(-ciphertext_size // SEGMENT_BYTES)
    size = ciphertext_size - HEADER_BYTES - TAG_BYTES * segments
    # A last segment holds at least one byte, except that of an empty plaintext.
    if size < 0 or segment_count(size) != segments:
        raise CiphertextTruncated(f"No ciphertext has {ciphertext_size:,} bytes: its last segment is not whole.")
    return size
