"""Whole files at the speed of bare AES-GCM: read by whole segments into buffers that are used again and again.

Fresh buffers would cost an eighth of the speed, and most of what a second thread gains: the kernel maps, clears and
unmaps each of them, one thread at a time. AES-GCM itself runs without the interpreter's lock.
"""

import os
from collections.abc import Iterator
from typing import Protocol

from gateway.envelope.keycheck import verify_key
from gateway.envelope.layout import (
    FIRST_PLAINTEXT_BYTES,
    HEADER_BYTES,
    REST_PLAINTEXT_BYTES,
    SEGMENT_BYTES,
    Header,
    Randomness,
)
from gateway.envelope.segments import SegmentCipher
from gateway.errors import CiphertextTruncated


class Source(Protocol):
    """A binary file, open for reading; blocking."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill the buffer, or a part of it, and return the bytes read; 0 at the end."""


class Sink(Protocol):
    """A binary file, open for writing; blocking."""

    def write(self, data: memoryview, /) -> int | None:
        """Write the data, or a part of it, and return the bytes written. Keep none of it: it changes afterwards."""


def encrypt_file(object_key: bytes, source: Source, sink: Sink, *, randomness: Randomness = os.urandom) -> None:
    """Read the plaintext from `source` to its end and write the ciphertext to `sink`.

    Raises:
        WrongKey: `object_key` does not have 32 bytes.
        TooLarge: more segments than the format can count.
    """
    header = Header.generate(randomness)
    cipher = SegmentCipher(object_key, header)
    buffer = memoryview(bytearray(SEGMENT_BYTES))
    _write(sink, memoryview(bytes(header)))
    for index, plaintext, last in _segments(source, FIRST_PLAINTEXT_BYTES, REST_PLAINTEXT_BYTES):
        _write(sink, cipher.seal_into(index, plaintext, buffer, last=last))


def decrypt_file(object_key: bytes, source: Source, sink: Sink, *, key_check: str | None = None) -> None:
    """Read the ciphertext from `source` to its end and write the plaintext to `sink`.

    Each segment is written once it has authenticated; only the return proves the object whole.

    Raises:
        WrongKey: `object_key` is not the one of the key check, or does not have 32 bytes.
        CiphertextTruncated: the ciphertext ends before its last segment.
        CiphertextTampered: it is not what was written.
    """
    if key_check is not None:
        verify_key(object_key, key_check)
    header = Header.parse(_fill(source, memoryview(bytearray(HEADER_BYTES))))
    cipher = SegmentCipher(object_key, header)
    buffer = memoryview(bytearray(REST_PLAINTEXT_BYTES))
    for index, ciphertext, last in _segments(source, SEGMENT_BYTES - HEADER_BYTES, SEGMENT_BYTES):
        if not ciphertext:
            raise CiphertextTruncated("The ciphertext ends after its header.")
        _write(sink, cipher.open_into(index, ciphertext, buffer, last=last))


def _segments(source: Source, first: int, rest: int) -> Iterator[tuple[int, memoryview, bool]]:
    """Yield each segment's index, bytes, and whether it is the last. Its bytes stay until the next one is asked for."""
    buffer, spare = memoryview(bytearray(rest)), memoryview(bytearray(rest))
    index, segment = 0, _fill(source, buffer[:first])
    while following := _fill(source, spare):
        yield index, segment, False
        index, segment = index + 1, following
        buffer, spare = spare, buffer
    yield index, segment, True


def _fill(source: Source, buffer: memoryview) -> memoryview:
    """Read until the buffer is full or the source ends, and return what was read."""
    filled = 0
    while filled < len(buffer) and (count := _waited(source.readinto(buffer[filled:]))):
        filled += count
    return buffer[:filled]


def _write(sink: Sink, data: memoryview) -> None:
    """Write all of the data, however little the sink takes at a time."""
    while data:
        data = data[_waited(sink.write(data)) :]


def _waited(count: int | None) -> int:
    """Refuse what a file without data, or room, says that does not block: it must not pass for the end."""
    if count is None:
        raise ValueError("The file does not block: it cannot be told from one that has ended.")
    return count
