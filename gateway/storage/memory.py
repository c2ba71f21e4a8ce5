"""An object store in memory, for tests and examples. It keeps S3's rules, which one shared test holds it to."""

import hashlib
import secrets
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from gateway.errors import IncompleteUpload, NotFound
from gateway.ports import StoredObject

MIN_PART_BYTES = 5 << 20
"""S3's least size of every part but the last ("Amazon S3 multipart upload limits")."""


class MemoryObjectStore:
    """A `gateway.ports.ObjectStore` that forgets everything when the process ends."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}
        self._uploads: dict[tuple[str, str], dict[int, bytes]] = {}

    async def get(self, key: str) -> bytes:
        """Return a small object whole. Raises `NotFound`."""
        if key not in self._objects:
            raise NotFound(f"There is no object {key!r}.")
        return self._objects[key]

    async def put(self, key: str, body: bytes) -> None:
        """Write a small object."""
        self._objects[key] = body

    async def keep(self, key: str, body: bytes, *, until: datetime) -> bool:
        """Write a small object. Nothing is locked here."""
        del until
        await self.put(key, body)
        return False

    async def exists(self, key: str) -> bool:
        """Tell whether the object is there."""
        return key in self._objects

    async def delete(self, key: str) -> None:
        """Delete the object; nothing happens if it is gone."""
        self._objects.pop(key, None)

    async def delete_all(self, keys: Sequence[str]) -> None:
        """Delete these objects; nothing happens to those that are gone."""
        for key in keys:
            await self.delete(key)

    async def stream(self, key: str, *, start: int, end: int) -> AsyncIterator[bytes]:
        """Yield the bytes `start` (inclusive) to `end` (exclusive), as far as the object goes. Raises `NotFound`."""
        if start < end and (part := (await self.get(key))[start:end]):
            yield part

    async def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        """Yield every object below the prefix, which ends with '/'."""
        for key, body in sorted(self._objects.items()):
            if key.startswith(prefix):
                yield StoredObject(key, len(body))

    async def start_multipart(self, key: str) -> str:
        """Open a multipart upload and return its id."""
        upload_id = secrets.token_hex(16)
        self._uploads[key, upload_id] = {}
        return upload_id

    def put_part(self, key: str, upload_id: str, number: int, body: bytes) -> str:
        """Take a part, which S3 gets by a presigned link, and return its ETag."""
        self._uploads[key, upload_id][number] = body
        return _etag(body)

    async def finish_multipart(self, key: str, upload_id: str, etags: Sequence[str]) -> None:
        """Join the parts, which are numbered from 1 in the order of `etags`. Raises `IncompleteUpload`."""
        parts = self._uploads.get((key, upload_id), {})
        wanted = [parts.get(number, b"") for number in range(1, len(etags) + 1)]
        if not etags or [_etag(part) for part in wanted] != list(etags):
            raise IncompleteUpload("The store has not all parts of this upload.")
        if any(len(part) < MIN_PART_BYTES for part in wanted[:-1]):
            raise IncompleteUpload("A part before the last is too small.")
        self._objects[key] = b"".join(wanted)
        del self._uploads[key, upload_id]

    async def abort_multipart(self, key: str, upload_id: str) -> None:
        """Drop the upload and its parts; nothing happens if it is gone."""
        self._uploads.pop((key, upload_id), None)

    async def check(self) -> None:
        """Return: memory always answers."""


def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
