"""Whole objects, pull style: from chunks to chunks, or from bytes to bytes."""

import os
from collections.abc import Iterable, Iterator

from gateway.envelope.decryptor import Decryptor
from gateway.envelope.encryptor import Encryptor
from gateway.envelope.layout import Randomness
from gateway.envelope.pieces import Chunk


def encrypt_stream(
    object_key: bytes, chunks: Iterable[Chunk], *, randomness: Randomness = os.urandom
) -> Iterator[bytes]:
    """Return an iterator over the ciphertext of the chunks, a segment at a time, in constant memory.

    >>> b"".join(decrypt_stream(bytes(32), encrypt_stream(bytes(32), [b"dig", b"its"])))
    b'digits'
    """
    return Encryptor(object_key, randomness=randomness).run(chunks)


def decrypt_stream(
    object_key: bytes, chunks: Iterable[Chunk], *, key_check: str | None = None, plaintext_size: int | None = None
) -> Iterator[bytes]:
    """Return an iterator over the plaintext of the chunks, a segment at a time, in constant memory.

    What `Decryptor` says holds. Only the end of the iteration proves the object whole: keep nothing of it before.
    """
    return Decryptor(object_key, key_check=key_check, plaintext_size=plaintext_size).run(chunks)


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
