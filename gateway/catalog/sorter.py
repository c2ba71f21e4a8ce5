"""Sorts more files than memory should hold: sorted runs go to a temporary file, sealed, and are merged from there.

Paths can be secrets, so the file is sealed under a key that is in memory alone; it has no name, and ends with us.
"""

import os
import tempfile
from collections.abc import Iterator
from heapq import merge
from itertools import pairwise
from types import TracebackType
from typing import Self

import zstandard
from anyio import to_thread
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.catalog.names import listed_twice
from gateway.catalog.page import Leaf, decode, encode
from gateway.errors import StateUnavailable
from gateway.model import FileEntry

RUN = 25_000
"""Files that are held in memory: some 15 MB."""
_BLOCK = 256
"""Files that are read back from a run at a time."""


class Sorter:
    """Takes a version's files in any order, and gives them back sorted by path. Close it after use."""

    def __init__(self, *, run: int = RUN) -> None:
        self._run = run
        self._entries: list[FileEntry] = []
        self._runs: list[list[tuple[int, int, int]]] = []
        """Of each run, its blocks: number, place in the file, and size."""
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 -- ours is the context manager
        self._end = 0
        self._blocks = 0
        self._cipher = AESGCM(os.urandom(32))
        self.count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    async def add(self, entry: FileEntry) -> None:
        """Take a file.

        Raises:
            InvalidPath: its path was taken already, as far as that is known by now.
            StateUnavailable: there is no room for more.
            InvalidInput: a field of it does not fit.
        """
        self.count += 1
        self._entries.append(entry)
        if len(self._entries) >= self._run:
            entries, self._entries = self._entries, []
            await to_thread.run_sync(self._spill, entries)

    def sorted(self) -> Iterator[FileEntry]:
        """Yield all of them, sorted by the UTF-8 bytes of their paths, which is Python's order of strings as well."""
        self._entries.sort(key=_path)
        return merge(*(self._read(run) for run in self._runs), self._entries, key=_path)

    def _spill(self, entries: list[FileEntry]) -> None:
        entries.sort(key=_path)
        for one, other in pairwise(entries):
            if one.path == other.path:
                raise listed_twice(one.path)
        compressor = zstandard.ZstdCompressor(level=1)
        run = []
        for at in range(0, len(entries), _BLOCK):
            block = compressor.compress(encode(Leaf(tuple(entries[at : at + _BLOCK]))))
            # Each block's number is its nonce: the key is ours alone, and no number is used twice.
            sealed = self._cipher.encrypt(_nonce(self._blocks), block, None)
            self._write(sealed)
            run.append((self._blocks, self._end, len(sealed)))
            self._end += len(sealed)
            self._blocks += 1
        self._runs.append(run)

    def _write(self, sealed: bytes) -> None:
        try:
            written = self._file.write(sealed)
        except OSError as error:
            raise _no_room() from error
        if written != len(sealed):  # the disk took what it had room for
            raise _no_room()

    def _read(self, run: list[tuple[int, int, int]]) -> Iterator[FileEntry]:
        decompressor = zstandard.ZstdDecompressor()
        for number, start, size in run:
            sealed = os.pread(self._file.fileno(), size, start)
            page = decode(decompressor.decompress(self._cipher.decrypt(_nonce(number), sealed, None)))
            if isinstance(page, Leaf):
                yield from page.entries


def _no_room() -> StateUnavailable:
    return StateUnavailable(
        "The gateway has no room on its temporary disk to sort so many files.", hint="Free some space, or set TMPDIR."
    )


def _nonce(number: int) -> bytes:
    return number.to_bytes(12)


def _path(entry: FileEntry) -> str:
    return entry.path
