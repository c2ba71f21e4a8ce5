"""The local files of a push: found in order, named as they will be published, and watched for change when read."""

import hashlib
import os
import stat
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Self

from gateway.client.partials import is_partial
from gateway.client.progress import Progress, Silent
from gateway.client.selection import ALL, Selection
from gateway.errors import InvalidPath, LocalFileError, SourceChanged
from gateway.model import check_path

_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A regular file, as it was when the push began."""

    path: str
    """What it will be called in the version."""
    place: Path
    size: int
    stamp: tuple[int, int, int]
    """Device, inode, and time of the last change in nanoseconds."""

    @classmethod
    def of(cls, path: str, place: Path, found: os.stat_result) -> Self:
        """Return the file, its path in Unicode's normal form C, which macOS does not write."""
        return cls(check_path(unicodedata.normalize("NFC", path)), place, found.st_size, _stamp(found))

    def sha256(self) -> str:
        """Return the hex SHA-256 of the content."""
        buffer = memoryview(bytearray(min(self.size, _READ_BYTES)))
        with self.opened(Silent()) as content:
            while missing := self.size - content.size:
                content.fill(buffer[:missing])
        return content.hexdigest()

    @contextmanager
    def opened(self, progress: Progress) -> Iterator["Content"]:
        """Open for one pass. Leaving it well proves that the file is what it was.

        Raises:
            SourceChanged: it is not.
            LocalFileError: it cannot be read.
        """
        try:
            with self.place.open("rb", buffering=0) as file:
                self._require_same(os.fstat(file.fileno()))
                content = Content(file, self, progress)
                try:
                    yield content
                except BaseException:
                    progress.moved(-content.size)
                    raise
                self._require_same(os.fstat(file.fileno()))
        except OSError as error:
            raise _unreadable(self.place, error) from error

    def _require_same(self, found: os.stat_result) -> None:
        if (found.st_size, _stamp(found)) != (self.size, self.stamp):
            raise self.changed()

    def changed(self) -> SourceChanged:
        """Return the error that says so."""
        return SourceChanged(
            f"{self.place} changed while it was being pushed.", hint="Run the push again when nobody writes to it."
        )


class Content:
    """An opened file that hashes and counts what is read from it."""

    def __init__(self, file: FileIO, local: LocalFile, progress: Progress) -> None:
        self._file = file
        self._local = local
        self._progress = progress
        self._digest = hashlib.sha256()
        self.size = 0
        """Bytes read."""

    def fill(self, buffer: memoryview) -> None:
        """Fill the buffer with what comes next.

        Raises:
            SourceChanged: the file ends too early.
            LocalFileError: it cannot be read.
        """
        filled = 0
        while filled < len(buffer):
            try:
                size = self._file.readinto(buffer[filled:])
            except OSError as error:
                raise _unreadable(self._local.place, error) from error
            if not size:
                raise self._local.changed()
            filled += size
        self._digest.update(buffer)
        self.size += len(buffer)
        self._progress.moved(len(buffer))

    def hexdigest(self) -> str:
        """Return the SHA-256 of what was read."""
        return self._digest.hexdigest()


def find_files(sources: Sequence[Path], selection: Selection = ALL) -> list[LocalFile]:
    """Return the files to publish, sorted by path. One folder gives its content; else everything keeps its own name.

    What a pull has left half done in a folder is no part of it.

    Raises:
        LocalFileError: there is nothing, something cannot be read, or is no regular file, such as a symbolic link.
        InvalidPath: a name breaks the rules, or two files would have one path.
    """
    found: dict[str, LocalFile] = {}
    for source in sources:
        alone = len(sources) == 1 and os.path.isdir(source)  # noqa: PTH112 -- which says no where it may not look
        root = source.resolve()
        for path, place, status in _walk(root, "" if alone else root.name, missing_as=source):
            if not selection.takes(path):
                continue
            file = _regular(path, place, status)
            if file.path in found:
                raise InvalidPath(
                    f"{file.place} and {found[file.path].place} would both be published as {file.path!r}.",
                    hint="Rename one of them.",
                )
            found[file.path] = file
    if not found:
        raise LocalFileError(f"{', '.join(map(str, sources))} holds no file.", hint="There is nothing to publish.")
    return [found[path] for path in sorted(found, key=str.encode)]


def _walk(root: Path, path: str, *, missing_as: Path) -> Iterator[tuple[str, Path, os.stat_result]]:
    """Yield everything but folders. Without recursion: a thousand levels are deeper than Python's stack."""
    waiting = [(path, str(root))]
    while waiting:
        path, place = waiting.pop()
        try:
            status = os.lstat(place)
            names = os.listdir(place) if stat.S_ISDIR(status.st_mode) else []  # noqa: PTH208 -- a deep Path is slow
        except OSError as error:
            raise _unreadable(missing_as if place == str(root) else Path(place), error) from error
        if not stat.S_ISDIR(status.st_mode):
            yield path, Path(place), status
        waiting += [
            (f"{path}/{name}" if path else name, f"{place}{os.sep}{name}") for name in names if not is_partial(name)
        ]


def _regular(path: str, place: Path, status: os.stat_result) -> LocalFile:
    if not stat.S_ISREG(status.st_mode):
        raise LocalFileError(
            f"{place} is {_kind(status.st_mode)}, which cannot be published.",
            hint="Put a regular file in its place, or leave it out with --exclude.",
        )
    return LocalFile.of(path, place, status)


def _kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    return "a socket" if stat.S_ISSOCK(mode) else "a device or pipe"


def _stamp(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_dev, found.st_ino, found.st_mtime_ns


def _unreadable(place: Path, error: OSError) -> LocalFileError:
    hint = "Check the name." if isinstance(error, FileNotFoundError) else "Check its permissions, and its disk."
    return LocalFileError(f"{place} cannot be read: {(error.strerror or 'unknown reason').lower()}.", hint=hint)
