"""The files of a coming version: each proved to be uploaded whole or to be there already, then sorted by path."""

from array import array
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from gateway import envelope
from gateway.broker.kept import Kept
from gateway.broker.layout import push_prefix
from gateway.catalog.sorter import Sorter
from gateway.errors import IncompleteUpload
from gateway.keys.derive import ObjectKeys
from gateway.model import FileEntry, Push, check_path
from gateway.ports import ObjectStore

_CHUNK = 10_000
"""Kept files that are looked up together, in the order in which their version lists them."""
_MISSING = -1


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file of the coming version whose bytes were uploaded in this push."""

    path: str
    size: int
    sha256: str
    number: int


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file of the coming version whose bytes an earlier version has already."""

    path: str
    version: int
    source_path: str


class Uploaded:
    """What a push has uploaded: sizes by number, eight bytes each."""

    def __init__(self, sizes: "array[int]") -> None:
        self._sizes = sizes

    @classmethod
    async def of(cls, push: Push, objects: ObjectStore) -> "Uploaded":
        """Ask S3."""
        sizes = array("q", [_MISSING]) * push.next_object
        prefix = push_prefix(push.resource_id, push.id)
        async for found in objects.list(prefix):
            name = found.key.removeprefix(prefix)
            if name.isdecimal() and int(name) < len(sizes):
                sizes[int(name)] = found.size
        return cls(sizes)

    def require_whole(self, file: NewFile) -> None:
        """Return if the file's object has the size that was announced.

        Raises:
            IncompleteUpload: it has not, or is not there.
        """
        size = self._sizes[file.number] if file.number < len(self._sizes) else _MISSING
        if size == _MISSING:
            raise IncompleteUpload(f"{file.path!r} was not uploaded.", hint="Run the push again.")
        wanted = envelope.ciphertext_size(file.size)
        if size != wanted:
            raise IncompleteUpload(
                f"{file.path!r} has {size:,} bytes in S3, and {wanted:,} were announced.", hint="Run the push again."
            )


class Coming:
    """Takes the lines of one commit, in any order."""

    def __init__(self, push: Push, keys: ObjectKeys, uploaded: Uploaded, kept: Kept, sorter: Sorter) -> None:
        self._push = push
        self._keys = keys
        self._uploaded = uploaded
        self._kept = kept
        self._sorter = sorter

    async def take(self, files: AsyncIterator[NewFile | KeptFile]) -> None:
        """Take all files, and hand them to the sorter.

        Raises:
            InvalidPath: a path breaks the rules.
            IncompleteUpload: a new file's object is missing, or not as long as announced.
            AccessDenied, UnknownVersion, UnknownPath: a file cannot be kept.
        """
        waiting: list[KeptFile] = []
        async for file in files:
            check_path(file.path)
            if isinstance(file, NewFile):
                await self._sorter.add(self._entry(file))
                continue
            waiting.append(file)
            if len(waiting) >= _CHUNK:
                await self._keep(waiting)
                waiting = []
        await self._keep(waiting)

    def _entry(self, file: NewFile) -> FileEntry:
        self._uploaded.require_whole(file)
        object_id = f"{self._push.id}/{file.number}"
        check = envelope.key_check(self._keys.key(object_id))
        return FileEntry(file.path, file.size, file.sha256, object_id, self._push.epoch, check)

    async def _keep(self, files: Sequence[KeptFile]) -> None:
        # In the order of their version's pages, so that each page is read once, in whatever order they were named.
        for file in sorted(files, key=lambda file: (file.version, file.source_path)):
            entry = await self._kept.find(file.version, file.source_path)
            await self._sorter.add(replace(entry, path=file.path))
