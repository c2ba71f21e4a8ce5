"""Encrypts one object on its way to S3, whole or in parts."""

from collections.abc import Iterable, Iterator

from gateway.client.answers import UploadSlot
from gateway.client.bulk import BulkTransport
from gateway.client.ciphertext import naming
from gateway.client.crew import Crew
from gateway.client.progress import Progress
from gateway.client.session import PushApi
from gateway.client.source import Content, LocalFile
from gateway.envelope import HEADER_BYTES, SEGMENT_BYTES, TAG_BYTES, encrypt_stream
from gateway.errors import GatewayUnavailable, LinkExpired, LinkRefused, StorageUnavailable

_RETRIES = 3
_PARTS_AT_A_TIME = 2
"""Parts of a long object on their way; the ciphertext of these, and of the next, is held in memory."""
_WORTH_ANOTHER_TRY = (LinkExpired, LinkRefused, StorageUnavailable)

Part = list[memoryview]


class Uploader:
    """Sends the objects of one push. Threads may share it."""

    def __init__(self, api: PushApi, bulk: BulkTransport, progress: Progress) -> None:
        self._api = api
        self._bulk = bulk
        self._progress = progress

    def whole(self, file: LocalFile, slot: UploadSlot) -> tuple[int, str]:
        """Encrypt the file into one PUT; return the object's number and the plaintext's SHA-256.

        Another try takes another object, with its own key and a young link; the one before is nobody's.
        """
        for _ in range(_RETRIES):
            try:
                return slot.number, self._send(file, slot)
            except _WORTH_ANOTHER_TRY:
                [slot] = self._api.reserve([file.size])
        return slot.number, self._send(file, slot)

    def _send(self, file: LocalFile, slot: UploadSlot) -> str:
        if slot.upload is None:
            raise GatewayUnavailable("The gateway gave an object without a link to upload it.")
        with naming(file.path), file.opened(self._progress) as content:
            self._bulk.put(slot.upload.url, slot.upload.headers, encrypt_stream(slot.object_key, segments(content)))
        return content.hexdigest()

    def in_parts(self, file: LocalFile, slot: UploadSlot) -> tuple[int, str]:
        """Encrypt the file into the parts of one object; return its number and the plaintext's SHA-256.

        The file is read and encrypted once. A part that must be sent again is sent from memory: to encrypt it again
        under the same header could put other bytes under the same nonces, if the file had changed.
        """
        etags: dict[int, str] = {}
        with (
            naming(file.path),
            file.opened(self._progress) as content,
            Crew(_PARTS_AT_A_TIME, ahead=0) as crew,
        ):
            ciphertext = encrypt_stream(slot.object_key, segments(content))
            for number, part in enumerate(cut(ciphertext, self._api.session.part_bytes), 1):
                crew.submit(self._send_part, etags, file, slot, number, part)
        self._api.complete(slot, [etags[number] for number in sorted(etags)])
        return slot.number, content.hexdigest()

    def _send_part(self, etags: dict[int, str], file: LocalFile, slot: UploadSlot, number: int, part: Part) -> None:
        for attempt in range(_RETRIES + 1):
            found = self._api.part(slot, file.size, number)
            if found.size != sum(map(len, part)):
                raise GatewayUnavailable("The gateway expects parts of another size than it said.")
            try:
                etags[number] = self._bulk.put(found.link.url, found.link.headers, part)
            except _WORTH_ANOTHER_TRY:
                if attempt == _RETRIES:
                    raise
            else:
                return


def segments(content: Content) -> Iterator[bytes]:
    """Yield the content as long as the segments of its ciphertext will be, so that none is copied together."""
    chunk = content.read(SEGMENT_BYTES - HEADER_BYTES - TAG_BYTES)
    while chunk:
        yield chunk
        chunk = content.read(SEGMENT_BYTES - TAG_BYTES)


def cut(pieces: Iterable[bytes], size: int) -> Iterator[Part]:
    """Yield the pieces in parts of `size` bytes, without copying; the last may be shorter.

    >>> [b"".join(part) for part in cut([b"abc", b"def", b"g"], 4)]
    [b'abcd', b'efg']
    """
    part: Part = []
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
