"""Where a pull keeps what is not whole yet: a hidden folder in its target, so that a name is taken by a rename alone.

    .gateway-partial/lock                held by the pull that may go on with what lies here
    .gateway-partial/<32 digits>         the segments of a long file that were fetched so far, each in its place
    .gateway-partial/<32 digits>.map     a byte for each segment: 1 if it is there
    .gateway-partial/<number>.new        a short file that is being written

A pull that ends well leaves nothing of it. One that was killed leaves it to the next.
"""

import hashlib
import os
import secrets
import shutil
from contextlib import ExitStack
from itertools import count
from pathlib import Path

from gateway.client.answers import RemoteFile
from gateway.client.locking import try_lock

FOLDER = ".gateway-partial"
_NEW = ".new"


class Partials:
    """The hidden folder of one target, made when it is first needed. Threads may share it."""

    LOCK = f"{FOLDER}/lock"

    def __init__(self, target: Path) -> None:
        self._target = target
        self._held = ExitStack()
        self._numbers = count()
        self._folder: Path | None = None

    def open(self) -> None:
        """Make the folder and take it; a pull that comes second has one of its own, and goes on with nothing.

        Raises:
            OSError: it cannot be made.
        """
        folder = self._target / FOLDER
        folder.mkdir(exist_ok=True)
        if not self._held.enter_context(try_lock(folder / "lock")):
            folder = self._target / f"{FOLDER}-{secrets.token_hex(8)}"
            folder.mkdir()
            self._held.callback(shutil.rmtree, folder, ignore_errors=True)
        self._folder = folder

    def new(self) -> str:
        """Return a place for a short file."""
        return f"{self._opened}{os.sep}{next(self._numbers)}{_NEW}"

    def of(self, file: RemoteFile) -> Path:
        """Return the place of a long file: the same one for the same content under the same path."""
        return self._opened / _name(file)

    def size_held(self, file: RemoteFile) -> int:
        """Return the bytes on the disk that an earlier pull has fetched of a long file.

        Raises:
            OSError: there are none.
        """
        found = (self._target / FOLDER / _name(file)).stat()
        return min(found.st_size, 512 * getattr(found, "st_blocks", 0))  # with holes for what is missing

    def close(self, *, done: bool) -> None:
        """Remove the folder if the pull is done; else leave what the next one can go on with."""
        if self._folder is not None:
            kept = [] if done else [place for place in self._folder.glob("?*") if _is_long(place)]
            if not kept:
                shutil.rmtree(self._folder, ignore_errors=True)
            for place in self._folder.glob(f"*{_NEW}"):
                place.unlink(missing_ok=True)
        self._held.close()
        self._folder = None

    @property
    def _opened(self) -> Path:
        if self._folder is None:
            raise RuntimeError("the folder is not open")
        return self._folder


def is_partial(name: str) -> bool:
    """Tell whether a folder of this name is a pull's own."""
    return name == FOLDER or name.startswith(f"{FOLDER}-")


def _name(file: RemoteFile) -> str:
    return hashlib.sha256(f"{file.sha256}\0{file.size}\0{file.path}".encode()).hexdigest()[:32]


def _is_long(place: Path) -> bool:
    return place.name != "lock" and place.suffix != _NEW
