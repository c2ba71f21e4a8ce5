"""Whole objects, pull style: from chunks to chunks, from a file to chunks, or from bytes to bytes."""

import os
from collections.abc import Iterable, Iterator
from typing import Protocol

from gateway.envelope.decryptor import Decryptor
from gateway.envelope.encryptor import Encryptor, Randomness
from gateway.envelope.layout import FIRST_PLAINTEXT_BYTES, REST_PLAINTEXT_BYTES, SEGMENT_BYTES
from gateway.envelope.pieces import Chunk


class Readable(Protocol):
    """A binary file, open for reading."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; none at the end."""


def encrypt_stream(
    object_key: bytes, chunks: Iterable[Chunk], *, randomness: Randomness = os.urandom
) -> Iterator[bytes]:
    """Yield the ciphertext of the chunks, a segment at a time, in constant memory.

    >>> b"".join(decrypt_stream(bytes(32), encrypt_stream(bytes(32), [b"dig", b"its"])))
    b'digits'
    """
    encryptor = Encryptor(object_key, randomness=randomness)
    for chunk in chunks:
        yield from encryptor.update(chunk)
    yield from encryptor.finalize()


def decrypt_stream(
    object_key: bytes, chunks: Iterable[Chunk], *, key_check: str | None = None, plaintext_size: int | None = None
) -> Iterator[bytes]:
    """Yield the plaintext of the chunks, a segment at a time, in constant memory. What `Decryptor` says holds.

    Only the end of the iteration proves the object whole: keep nothing of it before.
    """
    decryptor = Decryptor(object_key, key_check=key_check, plaintext_size=plaintext_size)
    for chunk in chunks:
        yield from decryptor.update(chunk)
    yield from decryptor.finalize()


def encrypt_file(object_key: bytes, file: Readable, *, randomness: Randomness = os.urandom) -> Iterator[bytes]:
    """Yield the ciphertext of a file, read by whole segments, so that nothing is copied on the way."""
    return encrypt_stream(object_key, _read(file, FIRST_PLAINTEXT_BYTES, REST_PLAINTEXT_BYTES), randomness=randomness)


def decrypt_file(
    object_key: bytes, file: Readable, *, key_check: str | None = None, plaintext_size: int | None = None
) -> Iterator[bytes]:
    """Yield the plaintext of an encrypted file, read by whole segments. What `decrypt_stream` says holds."""
    chunks = _read(file, SEGMENT_BYTES, SEGMENT_BYTES)
    return decrypt_stream(object_key, chunks, key_check=key_check, plaintext_size=plaintext_size)


def _read(file: Readable, first: int, rest: int) -> Iterator[bytes]:
    chunk = file.read(first)
    while chunk:
        yield chunk
        chunk = file.read(rest)


def seal(object_key: bytes, plaintext: Chunk, *, randomness: Randomness = os.urandom) -> bytes:
    """Return the ciphertext of a plaintext that fits in memory.

    >>> open_sealed(bytes(32), seal(bytes(32), b"digits"))
    b'digits'
    """
    return b"".join(encrypt_stream(object_key, [plaintext], randomness=randomness))


def open_sealed(
    object_key: bytes, ciphertext: Chunk, *, key_check: str | None = None, plaintext_size: int | None = None
) -> bytes:
    """Return the plaintext of a ciphertext that fits in memory, all of it or nothing. Raises what `Decryptor` does."""
    return b"".join(decrypt_stream(object_key, [ciphertext], key_check=key_check, plaintext_size=plaintext_size))
