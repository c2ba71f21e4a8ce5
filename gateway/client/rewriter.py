"""Encrypts an object anew: reads it by a link, checks it against its manifest, and writes it by links, part by part.

It takes links and object keys, and no login: so it runs in a thread here as well as in a process somewhere else.
"""

import hashlib
import time
from collections.abc import Iterable, Iterator
from functools import cache

from gateway.client.bulk import BulkTransport, Span
from gateway.envelope import ciphertext_size, decrypt_stream, encrypt_stream
from gateway.errors import ContentMismatch, StorageUnavailable
from gateway.ports import Rewrite, SealedFile, Upload

_LOSSES = 4
"""Times that S3 may fail one after the other without a byte in between."""
_PAUSE_SECONDS = 0.2


def rewrite(job: Rewrite) -> tuple[str, ...]:
    """Write what `job.source` holds under the new key, and return the ETag of each part.

    A part is sent when all of it is encrypted, so that one that is lost is sent again from memory; the last one when
    the whole has proved to be what its manifest says. Memory is that of one part.

    Raises:
        IntegrityError: the source is not what its manifest says; what was sent of it joins to nothing.
        StorageUnavailable: S3 failed again and again.
    """
    ciphertext = encrypt_stream(job.key, _plaintext(job.source))
    parts = _cut(ciphertext, job.part_bytes)
    return tuple(_send(upload, part) for upload, part in zip(job.uploads, parts, strict=True))


def read_back(file: SealedFile) -> None:
    """Return if the file opens with its key and is, to the last byte, what its manifest says.

    Raises:
        IntegrityError: it does not, or is not.
        StorageUnavailable: S3 failed again and again.
    """
    for _ in _plaintext(file):
        pass


def _plaintext(file: SealedFile) -> Iterator[bytes]:
    digest = hashlib.sha256()
    for piece in decrypt_stream(file.key, _ciphertext(file), key_check=file.key_check, plaintext_size=file.size):
        digest.update(piece)
        yield piece
    if digest.hexdigest() != file.sha256:
        raise ContentMismatch("An object's content is not the one that was published.")


def _ciphertext(file: SealedFile) -> Iterator[bytes]:
    end = ciphertext_size(file.size)
    position = losses = 0
    while position < end:
        try:
            for chunk in _bulk().get(file.url, Span(position, end, end)):
                position += len(chunk)
                losses = 0
                yield chunk
        except StorageUnavailable:
            losses += 1
            if losses == _LOSSES:
                raise
            time.sleep(_PAUSE_SECONDS * losses)


def _cut(pieces: Iterable[bytes], size: int) -> Iterator[list[memoryview]]:
    """Yield the pieces in parts of `size` bytes, without copying; the last may be shorter."""
    part: list[memoryview] = []
    room = size
    for piece in pieces:
        view = memoryview(piece)
        while len(view) >= room:
            part.append(view[:room])
            yield part
            view, part, room = view[room:], [], size
        if view:
            part.append(view)
            room -= len(view)
    if part:
        yield part


def _send(upload: Upload, part: list[memoryview]) -> str:
    for losses in range(1, _LOSSES):
        try:
            return _bulk().put(upload.url, upload.headers, part)
        except StorageUnavailable:
            time.sleep(_PAUSE_SECONDS * losses)
    return _bulk().put(upload.url, upload.headers, part)


@cache
def _bulk() -> BulkTransport:
    """Return this process's connections: what is handed to another process are plain values, and no sockets."""
    return BulkTransport()
