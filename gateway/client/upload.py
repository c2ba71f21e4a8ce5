"""Encrypts a file's object and sends it to S3, whole or in parts. S3 checks what it gets (Content-MD5, RFC 1864)."""

import base64
import hashlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.client.answers import UploadSlot
from gateway.client.bulk import BulkTransport
from gateway.client.ciphertext import naming
from gateway.client.journal import Journal, Multipart
from gateway.client.progress import Progress
from gateway.client.room import Room
from gateway.client.session import PushApi
from gateway.client.source import Content, LocalFile
from gateway.envelope import HEADER_BYTES, SEGMENT_BYTES, TAG_BYTES, ciphertext_size
from gateway.envelope.layout import Header, segment_count
from gateway.envelope.segments import SegmentCipher
from gateway.errors import GatewayUnavailable, LinkExpired, LinkRefused, StorageUnavailable

_RETRIES = 3
_WORTH_ANOTHER_TRY = (LinkExpired, LinkRefused, StorageUnavailable)
_YOUNG_SECONDS = 120
"""How old a link to upload may be when it is begun with: as measured here, where the clock may be minutes off."""
_ROOM_BYTES = 192 << 20
"""Ciphertext that all threads together hold in memory: each as much as it sends in one request."""


@dataclass(frozen=True, slots=True)
class Slot:
    """An object of the push, and when it was asked for."""

    given: UploadSlot
    asked_at: float


class Uploader:
    """Sends the objects of one push, until `check` raises. Threads may share it."""

    def __init__(  # noqa: PLR0913 -- what, to where, and how
        self,
        api: PushApi,
        bulk: BulkTransport,
        progress: Progress,
        journal: Journal,
        *,
        check: Callable[[], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._bulk = bulk
        self._progress = progress
        self._journal = journal
        self._check = check
        self._room = Room(_ROOM_BYTES)
        self._monotonic = monotonic
        self._part_bytes = api.session.part_bytes
        if self._part_bytes % SEGMENT_BYTES or not self._part_bytes:
            raise GatewayUnavailable("The gateway wants parts that are no whole segments.", hint="Update this client.")

    def is_long(self, file: LocalFile) -> bool:
        """Tell whether the file needs parts."""
        return ciphertext_size(file.size) > self._part_bytes

    def reserve(self, files: Sequence[LocalFile]) -> list[Slot]:
        """Return an object for each file."""
        asked_at = self._monotonic()
        return [Slot(given, asked_at) for given in self._api.reserve([file.size for file in files])]

    def whole(self, file: LocalFile, slot: Slot) -> tuple[int, str]:
        """Encrypt the file into one PUT; return the object's number and the plaintext's SHA-256.

        Another try takes another object, with its own key and a young link; the one before is nobody's.
        """
        attempt = 0
        while True:
            if attempt or self._monotonic() - slot.asked_at > _YOUNG_SECONDS:
                [slot] = self.reserve([file])
            try:
                with naming(file.path):
                    return slot.given.number, self._put_whole(file, slot.given)
            except _WORTH_ANOTHER_TRY:
                self._check()
                attempt += 1
                if attempt > _RETRIES:
                    raise

    def _put_whole(self, file: LocalFile, slot: UploadSlot) -> str:
        if slot.upload is None:
            raise GatewayUnavailable("The gateway gave an object without a link to upload it.")
        size = ciphertext_size(file.size)
        with self._room.take(size), file.opened(self._progress) as content:
            sealed = _Sealer(content, file.size, slot.object_key, Header.generate(os.urandom)).part(size)
            self._bulk.put(slot.upload.url, {**slot.upload.headers, **_checksum(sealed)}, [sealed])
        return content.hexdigest()

    def in_parts(self, file: LocalFile) -> tuple[int, str]:
        """Send the parts that S3 has not yet; return the object's number and the plaintext's SHA-256.

        One part of a file is on its way at a time, so that a kill costs no more than that.
        """
        at = self._journal.begun(file)
        if at is not None:
            try:
                return self._put_parts(file, at, self._api.object_key(at.number, file.size))
            except _OtherContentError:
                pass  # it was changed without a trace: another object, with another key
        [slot] = self._api.reserve([file.size])
        at = self._journal.begin_parts(file, slot.number, bytes(Header.generate(os.urandom)))
        try:
            return self._put_parts(file, at, slot.object_key)
        except _OtherContentError as error:
            raise file.changed() from error

    def _put_parts(self, file: LocalFile, at: Multipart, key: bytes) -> tuple[int, str]:
        total = ciphertext_size(file.size)
        with naming(file.path), file.opened(self._progress) as content:
            sealer = _Sealer(content, file.size, key, Header.parse(at.header))
            for part, start in enumerate(range(0, total, self._part_bytes), 1):
                self._put_part(file, at, part, sealer, min(self._part_bytes, total - start))
        self._api.complete(at.number, [at.etags[part] for part in sorted(at.etags)])
        return at.number, content.hexdigest()

    def _put_part(self, file: LocalFile, at: Multipart, part: int, sealer: "_Sealer", size: int) -> None:
        with self._room.take(size):
            sealed = sealer.part(size)
            prefix = sealer.content.hexdigest()
            if at.prefixes.get(part, prefix) != prefix:
                raise _OtherContentError
            if part in at.etags:
                return
            if part not in at.prefixes:
                self._journal.begin_part(at, part, prefix)
            self._journal.end_part(at, part, self._send_part(file, at.number, part, sealed))

    def _send_part(self, file: LocalFile, number: int, part: int, sealed: memoryview) -> str:
        """Send a part, and again what failed, from memory: the same bytes."""
        attempt = 0
        while True:
            found = self._api.part(number, file.size, part)
            if found.size != len(sealed):
                raise GatewayUnavailable("The gateway expects parts of another size than it said.")
            try:
                return self._bulk.put(found.link.url, {**found.link.headers, **_checksum(sealed)}, [sealed])
            except _WORTH_ANOTHER_TRY:
                self._check()
                attempt += 1
                if attempt > _RETRIES:
                    raise


class _OtherContentError(Exception):
    """The file holds something else than what was sent of it."""


class _Sealer:
    """Encrypts a file's content, as many bytes of ciphertext at a time as are wanted: whole segments, or the end."""

    def __init__(self, content: Content, size: int, key: bytes, header: Header) -> None:
        self.content = content
        self._header = header
        self._cipher = SegmentCipher(key, header)
        self._last = segment_count(size) - 1
        self._plaintext = memoryview(bytearray(min(size, SEGMENT_BYTES)))
        self._index = 0

    def part(self, size: int) -> memoryview:
        """Return the next `size` bytes of ciphertext."""
        sealed = memoryview(bytearray(size))
        at = 0
        if self._index == 0:
            sealed[:HEADER_BYTES] = bytes(self._header)
            at = HEADER_BYTES
        while at < size:
            end = min(size, at - at % SEGMENT_BYTES + SEGMENT_BYTES)
            plaintext = self._plaintext[: end - at - TAG_BYTES]
            self.content.fill(plaintext)
            self._cipher.seal_into(self._index, plaintext, sealed[at:end], last=self._index == self._last)
            at, self._index = end, self._index + 1
        return sealed


def _checksum(sealed: memoryview) -> dict[str, str]:
    digest = hashlib.md5(sealed, usedforsecurity=False).digest()
    return {"content-md5": base64.b64encode(digest).decode()}
