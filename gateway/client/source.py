"""The local files of a push: found in order, named as they will be published, and watched for change when read."""

import hashlib
import os
import stat
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from gateway.client.progress import Progress, Silent
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
        with self.opened(Silent()) as content:
            while content.read(_READ_BYTES):
                pass
        return content.hexdigest()

    @contextmanager
    def opened(self, progress: Progress) -> Iterator["Content"]:
        """Open for one pass. Leaving it well proves that the file is what it was.

        Raises:
            SourceChanged: it is not.
            LocalFileError: it cannot be read.
        """
        try:
            with self.place.open("rb") as file:
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

    def __init__(self, file: BinaryIO, local: LocalFile, progress: Progress) -> None:
        self._file = file
        self._local = local
        self._progress = progress
        self._digest = hashlib.sha256()
        self.size = 0
        """Bytes read."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; none at the end.

        Raises:
            SourceChanged: the file ends too early or too late. Its size is announced to S3, which would wait for more.
            LocalFileError: it cannot be read.
        """
        try:
            data = self._file.read(size)
        except OSError as error:
            raise _unreadable(self._local.place, error) from error
        self._digest.update(data)
        self.size += len(data)
        if self.size > self._local.size or (not data and self.size < self._local.size):
            raise self._local.changed()
        self._progress.moved(len(data))
        return data

    def hexdigest(self) -> str:
        """Return the SHA-256 of what was read."""
        return self._digest.hexdigest()


def find_files(sources: Sequence[Path]) -> list[LocalFile]:
    """Return the files to publish, sorted by path. One folder gives its content; else everything keeps its own name.

    Raises:
        LocalFileError: there is nothing, something cannot be read, or is no regular file, such as a symbolic link.
        InvalidPath: a name breaks the rules, or two files would have one path.
    """
    found: dict[str, LocalFile] = {}
    for source in sources:
        alone = len(sources) == 1 and source.is_dir()
        for file in _walk(source.resolve(), "" if alone else source.resolve().name, missing_as=source):
            if file.path in found:
                raise InvalidPath(
                    f"{file.place} and {found[file.path].place} would both be published as {file.path!r}.",
                    hint="Rename one of them.",
                )
            found[file.path] = file
    if not found:
        raise LocalFileError(f"{', '.join(map(str, sources))} holds no file.", hint="There is nothing to publish.")
    return [found[path] for path in sorted(found, key=str.encode)]


def _walk(place: Path, path: str, *, missing_as: Path | None = None) -> Iterator[LocalFile]:
    try:
        status = place.lstat()
        names = sorted(os.listdir(place)) if stat.S_ISDIR(status.st_mode) else []  # noqa: PTH208 -- names are all we need
    except OSError as error:
        raise _unreadable(missing_as or place, error) from error
    if stat.S_ISREG(status.st_mode):
        yield LocalFile.of(path, place, status)
    elif not stat.S_ISDIR(status.st_mode):
        raise LocalFileError(
            f"{place} is {_kind(status.st_mode)}, which cannot be published.",
            hint="Put a regular file in its place, or push a folder without it.",
        )
    for name in names:
        yield from _walk(place / name, f"{path}/{name}" if path else name)


def _kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    return "a socket" if stat.S_ISSOCK(mode) else "a device or pipe"


def _stamp(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_dev, found.st_ino, found.st_mtime_ns


def _unreadable(place: Path, error: OSError) -> LocalFileError:
    hint = "Check the name." if isinstance(error, FileNotFoundError) else "Check its permissions, and its disk."
    return LocalFileError(f"{place} cannot be read: {(error.strerror or 'unknown reason').lower()}.", hint=hint)
