"""A cache on disk that runs and processes share. It holds ciphertext alone: without a link's key, nobody reads it.

    <folder>/v1/<2 digits>/<64 digits>   one entry: some bytes of one object, named by the SHA-256 of what they are
    <folder>/v1/size                     the bytes of all entries, never less than there are
    <folder>/v1/lock                     held by whoever changes the size

An entry appears whole, by a rename, and is never changed. Whether it is what was written, its reader sees when it
decrypts it: each segment is authenticated. The entry that was used the longest time ago goes first.
"""

import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from gateway.client.environment import Environment
from gateway.client.locking import locked
from gateway.errors import LocalFileError

MAX_BYTES = 16 << 30
_LEFT_AFTER_SWEEP = 0.9
"""The part of the bound that a sweep leaves, so that not every entry makes one."""
_ABANDONED_AFTER_SECONDS = 3600
_OWNER_ONLY = 0o700
_DRAFT = ".draft-"


class DiskCache:
    """Entries below a folder, of `max_bytes` together at most. Threads and processes may share it.

    A disk that fails is no reason to fail a read: what cannot be kept is fetched again.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     cache = DiskCache(folder)
    ...     cache.put("segment 0 of an object", b"ciphertext")
    ...     DiskCache(folder).get("segment 0 of an object")
    b'ciphertext'

    Raises:
        LocalFileError: the folder cannot be made.
    """

    def __init__(self, folder: str | Path, *, max_bytes: int = MAX_BYTES) -> None:
        self.folder = Path(folder)
        self.max_bytes = max_bytes
        self._root = self.folder / "v1"
        try:
            self._root.mkdir(mode=_OWNER_ONLY, parents=True, exist_ok=True)
        except OSError as error:
            raise LocalFileError(
                f"The cache {self.folder} cannot be made: {(error.strerror or 'unknown reason').lower()}.",
                hint="Name another folder, or none.",
            ) from error

    def get(self, key: str) -> bytes | None:
        """Return what is kept under the key, or None; it counts as used now."""
        place = self._place(key)
        try:
            data = place.read_bytes()
            os.utime(place)
        except OSError:
            return None
        return data

    def put(self, key: str, data: bytes | memoryview) -> None:
        """Keep the data under the key. Whoever comes second with the same key changes nothing."""
        place = self._place(key)
        if len(data) > self.max_bytes or place.exists():
            return
        draft = place.with_name(f"{_DRAFT}{secrets.token_hex(8)}")
        with suppress(OSError):
            place.parent.mkdir(mode=_OWNER_ONLY, exist_ok=True)
            try:
                draft.write_bytes(data)
                self._keep(draft, place, len(data))
            finally:
                draft.unlink(missing_ok=True)

    def forget(self, key: str) -> None:
        """Drop what is kept under the key."""
        with suppress(OSError), locked(self._root / "lock"):
            self._drop(self._place(key))

    def _keep(self, draft: Path, place: Path, size: int) -> None:
        with locked(self._root / "lock"):
            if place.exists():
                return
            total = self._size() + size
            if total > self.max_bytes:
                total = self._sweep(self.max_bytes * _LEFT_AFTER_SWEEP - size) + size
            # Before the rename: a process that is killed here leaves a size that is too large, which a sweep corrects.
            self._write_size(total)
            draft.replace(place)

    def _size(self) -> int:
        try:
            return int((self._root / "size").read_text(encoding="ascii"))
        except (OSError, ValueError):
            return sum(found.st_size for _, found in self._entries())

    def _write_size(self, size: int) -> None:
        (self._root / "size").write_text(str(size), encoding="ascii")

    def _drop(self, place: Path) -> None:
        size = place.stat().st_size
        place.unlink()
        self._write_size(max(0, self._size() - size))

    def _sweep(self, wanted: float) -> int:
        """Remove the entries unused for longest until `wanted` bytes are left at most; return how many are."""
        entries = sorted(self._entries(), key=lambda entry: entry[1].st_mtime_ns)
        total = sum(found.st_size for _, found in entries)
        for place, found in entries:
            if total <= wanted:
                break
            with suppress(OSError):  # as long as somebody reads it, on Windows
                Path(place).unlink()
                total -= found.st_size
        return total

    def _entries(self) -> Iterator[tuple[str, os.stat_result]]:
        """Yield each entry's place and status. Drafts of processes that died are removed on the way."""
        for folder in self._root.iterdir():
            if not folder.is_dir():
                continue
            for entry in os.scandir(folder):
                with suppress(OSError):
                    found = entry.stat()
                    if not entry.name.startswith(_DRAFT):
                        yield entry.path, found
                    elif time.time() - found.st_mtime > _ABANDONED_AFTER_SECONDS:  # noqa: TID251 -- a file's own clock
                        Path(entry.path).unlink()

    def _place(self, key: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()
        return self._root / name[:2] / name


def kept_by(environment: Environment, folder: str | None = None, max_bytes: int | None = None) -> DiskCache | None:
    """Return the cache in a folder, or in the one that `GATEWAY_CACHE` names; None where neither is.

    Raises:
        LocalFileError: it cannot be made.
    """
    chosen = folder or environment.cache
    size = max_bytes or environment.cache_bytes or MAX_BYTES
    return DiskCache(Path(chosen).expanduser(), max_bytes=size) if chosen else None
