"""The folder that a pull writes to. Files appear whole or not at all, and nothing is written outside it."""

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from gateway.client.answers import RemoteFile
from gateway.errors import DiskFull, LocalFileError
from gateway.model import check_path

_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})

Create = Callable[[Path], BinaryIO]
"""Opens a new file for writing."""


def create_file(path: Path) -> BinaryIO:
    """Open a file that must not exist yet."""
    return path.open("xb")


class TargetFolder:
    """A folder to write to, made if it is missing.

    Raises:
        LocalFileError: it cannot be made, or is no folder.
    """

    def __init__(self, root: Path, *, fsync: bool = False, create: Create = create_file) -> None:
        try:
            root.mkdir(parents=True, exist_ok=True)
            self._root = root.resolve(strict=True)
        except OSError as error:
            raise _unwritable(root, error) from error
        self._fsync = fsync
        self._create = create

    def place(self, path: str) -> Path:
        """Return where a version's file goes.

        Raises:
            InvalidPath: the path would lead elsewhere.
            LocalFileError: a symbolic link lies on the way; nothing is written through one.
        """
        place = self._root.joinpath(*check_path(path).split("/"))
        for folder in place.parents:
            if folder == self._root:
                return place
            if folder.is_symlink():
                raise LocalFileError(
                    f"{folder} is a symbolic link, and nothing is written through one.", hint="Remove it."
                )
        raise LocalFileError(f"{place} is not inside {self._root}.")

    def holds(self, file: RemoteFile) -> bool:
        """Tell whether the very file is there already."""
        place = self.place(file.path)
        try:
            if place.is_symlink() or not place.is_file() or place.stat().st_size != file.size:
                return False
            with place.open("rb") as opened:
                return hashlib.file_digest(opened, "sha256").hexdigest() == file.sha256
        except OSError as error:
            raise _unwritable(place, error) from error

    def size_held(self, path: str) -> int:
        """Return the bytes that writing this path would free again, at most."""
        try:
            return self.place(path).lstat().st_size
        except OSError:
            return 0

    def require_space(self, needed: int) -> None:
        """Pass if there is room for so many more bytes.

        Raises:
            DiskFull: there is not.
        """
        free = self.free()
        if needed > free:
            raise DiskFull(
                f"{self._root} needs {needed:,} bytes and has {free:,} free.",
                hint=f"Free {needed - free:,} bytes, or pull to another disk.",
            )

    def free(self) -> int:
        """Return the bytes that are free on the folder's disk."""
        return shutil.disk_usage(self._root).free

    @contextmanager
    def writing(self, file: RemoteFile) -> Iterator[BinaryIO]:
        """Give a file to write to, which takes its name only when the block ends well; else nothing of it stays.

        Raises:
            DiskFull: no space is left.
            LocalFileError: the system refuses otherwise.
        """
        place = self.place(file.path)
        partial = place.with_name(f".gateway-{secrets.token_hex(8)}.partial")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            self.place(file.path)  # again, now that every folder on the way exists
            try:
                with self._create(partial) as opened:
                    yield opened
                    if self._fsync:
                        os.fsync(opened.fileno())
                partial.replace(place)
            finally:
                partial.unlink(missing_ok=True)
        except OSError as error:
            if error.errno in _NO_SPACE:
                raise DiskFull(
                    f"{place} needs {file.size:,} bytes; the disk was full before they were written, "
                    f"and has {self.free():,} free.",
                    hint="Free some space and run the command again: files that are there are not fetched twice.",
                ) from error
            raise _unwritable(place, error) from error


def _unwritable(path: Path, error: OSError) -> LocalFileError:
    return LocalFileError(f"{path} cannot be written: {(error.strerror or 'unknown reason').lower()}.")
