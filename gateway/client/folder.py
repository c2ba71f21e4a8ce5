"""The folder that a pull writes to. Files appear whole or not at all, and nothing is written outside it."""

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from gateway.client.answers import RemoteFile
from gateway.client.assembly import Assembly
from gateway.client.names import require_fitting
from gateway.client.partials import Partials
from gateway.errors import DiskFull, InvalidPath, LocalFileError
from gateway.model import check_path

_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})

Create = Callable[[str], BinaryIO]
"""Opens a new file for writing, without a buffer."""


def create_file(path: str) -> BinaryIO:
    """Open a file that must not exist yet."""
    return open(path, "xb", buffering=0)  # noqa: PTH123 -- twenty thousand times: a Path costs as much as the opening


class TargetFolder:
    """A folder to write to; `open` makes it if it is missing. Threads may share it.

    Args:
        root: where it is.
        fsync: whether each file is on the disk before it takes its name.
        verify: whether each file is read back from the disk before it takes its name.
        folds_case: whether `A` and `a` are one name there; None looks.
        create: opens new files.
    """

    def __init__(
        self,
        root: Path,
        *,
        fsync: bool = False,
        verify: bool = False,
        folds_case: bool | None = None,
        create: Create = create_file,
    ) -> None:
        self._root = root.absolute()
        self._fsync = fsync
        self._verify = verify
        self._folds_case = folds_case
        self._create = create
        self._partials = Partials(self._root)
        self._ready: set[str] = set()
        self._names: dict[str, str] = {}

    @property
    def is_new(self) -> bool:
        """Whether there is nothing in it.

        Raises:
            LocalFileError: it is no folder, or cannot be read.
        """
        with _explained(self._root):
            try:
                with os.scandir(self._root) as found:
                    return not any(found)
            except FileNotFoundError:
                return True

    def open(self) -> None:
        """Make it ready to be written to. A pull that has nothing to write never does.

        Raises:
            LocalFileError: it cannot be made.
        """
        with _explained(self._root):
            self._root.mkdir(parents=True, exist_ok=True)
            self._root = self._root.resolve(strict=True)
            self._partials = Partials(self._root)
            self._partials.open()
            if self._folds_case is None:
                self._folds_case = (self._root / self._partials.LOCK.upper()).exists()

    def close(self, *, done: bool) -> None:
        """Leave nothing but whole files if the pull is done; else also what the next one can go on with."""
        self._partials.close(done=done)

    def place(self, path: str) -> Path:
        """Return where a version's file goes.

        Raises:
            InvalidPath: the path would lead elsewhere, or the system cannot have it.
        """
        require_fitting(check_path(path))
        return self._root.joinpath(*path.split("/"))

    def require_apart(self, file: RemoteFile) -> None:
        """Pass if no other file of this pull has the same name here, where upper and lower case are one.

        Raises:
            InvalidPath: one has.
        """
        if not self._folds_case:
            return
        other = self._names.setdefault(file.path.casefold(), file.path)
        if other != file.path:
            raise InvalidPath(
                f"{other!r} and {file.path!r} are one name on this disk, which does not tell 'A' from 'a'.",
                hint="Leave one out with --exclude, or pull to another disk.",
            )

    def holds(self, file: RemoteFile) -> bool:
        """Tell whether the very file is there already."""
        place = self.place(file.path)
        with _explained(place):
            try:
                found = place.lstat()
            except (FileNotFoundError, NotADirectoryError):
                return False
            return stat.S_ISREG(found.st_mode) and found.st_size == file.size and _sha256(place) == file.sha256

    def size_held(self, file: RemoteFile) -> int:
        """Return the bytes that writing this file would free again, or has taken already, at most."""
        held = 0
        with suppress(OSError):
            held += self.place(file.path).lstat().st_size
        with suppress(OSError):
            held += self._partials.size_held(file)
        return held

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
        there = self._root
        while not there.exists() and there != there.parent:
            there = there.parent
        with _explained(self._root):
            return shutil.disk_usage(there).free

    def write(self, file: RemoteFile, pieces: Iterable[memoryview]) -> None:
        """Write a short file, which takes its name only when all pieces came well; else nothing of it stays.

        Raises:
            DiskFull: no space is left.
            LocalFileError: the system refuses otherwise.
        """
        place = self.place(file.path)
        with self._explained(place, file):
            self._make_way(file.path)
            new = self._partials.new()
            try:
                with self._create(new) as opened:
                    for piece in pieces:
                        _write(opened, piece)
                    self._settle(opened, file)
                os.replace(new, place)  # noqa: PTH105 -- as `create_file`
            except BaseException:
                with suppress(FileNotFoundError):
                    os.unlink(new)  # noqa: PTH108 -- the same
                raise

    def assemble(self, file: RemoteFile) -> Assembly:
        """Return a long file to be put together, with what an earlier pull has fetched of it.

        Raises:
            DiskFull, LocalFileError: as `write`.
        """
        with self._explained(self.place(file.path), file):
            return Assembly(file, self._partials.of(file))

    @contextmanager
    def writing(self, file: RemoteFile) -> Iterator[None]:
        """Explain what the disk refuses while the block writes a part of the file. Raises what `write` does."""
        with self._explained(self.place(file.path), file):
            yield

    def finish(self, assembly: Assembly) -> None:
        """Give a long file its name.

        Raises:
            DiskFull, LocalFileError: as `write`.
        """
        place = self.place(assembly.file.path)
        with self._explained(place, assembly.file):
            self._make_way(assembly.file.path)
            with assembly.opened() as opened:
                self._settle(opened, assembly.file)
            assembly.move_to(place)

    def _settle(self, opened: BinaryIO, file: RemoteFile) -> None:
        if self._fsync or self._verify:
            os.fsync(opened.fileno())
        if self._verify:
            if hasattr(os, "posix_fadvise"):  # from the disk, not from the system's memory of it
                os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            if _sha256(Path(opened.name)) != file.sha256:
                raise LocalFileError(
                    f"{file.path} was written, and reads back as something else.", hint="Check the disk and the memory."
                )

    def _make_way(self, path: str) -> None:
        """Make the folders on the way to a path; a symbolic link among them could lead outside."""
        names = path.split("/")[:-1]
        parent = "/".join(names)
        if parent in self._ready:
            return
        folder = self._root
        for name in names:  # one by one: `mkdir(parents=True)` calls itself for each, and paths may be 512 deep
            folder = folder / name
            if folder.is_symlink():
                raise LocalFileError(
                    f"{folder} is a symbolic link, and nothing is written through one.", hint="Remove it."
                )
            folder.mkdir(exist_ok=True)
        self._ready.add(parent)

    @contextmanager
    def _explained(self, place: Path, file: RemoteFile) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in _NO_SPACE:
                raise DiskFull(
                    f"{place} needs {file.size:,} bytes; the disk was full before they were written, "
                    f"and has {self.free():,} free.",
                    hint="Free some space and run the command again: what is there is not fetched twice.",
                ) from error
            raise _unwritable(place, error) from error


@contextmanager
def _explained(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _unwritable(place, error) from error


def _sha256(place: Path) -> str:
    with place.open("rb", buffering=0) as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _write(opened: BinaryIO, data: memoryview) -> None:
    while data:
        data = data[opened.write(data) :]


def _unwritable(path: Path, error: OSError) -> LocalFileError:
    return LocalFileError(
        f"{path} cannot be written: {(error.strerror or str(error) or 'unknown reason').lower()}.",
        hint="Check its permissions, its disk, and the limits of this process.",
    )
