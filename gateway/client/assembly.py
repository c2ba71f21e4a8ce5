"""A long file that is put together from its segments: by several threads, in any order, and over several runs.

Each segment was authenticated before it comes here. It is written in its place first, and counted then, so that after a
kill what is counted is there. The whole is hashed in order, by whoever brings the next segment in line.
"""

import hashlib
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from gateway.client.answers import RemoteFile
from gateway.envelope.layout import SEGMENT_BYTES, segment_count, segment_start

RANGE_SEGMENTS = 32
"""Segments that one thread fetches in one request."""


class Assembly:
    """One file on its way. Threads may share it."""

    def __init__(self, file: RemoteFile, place: Path) -> None:
        self.file = file
        self._place = place
        self._map = place.with_name(f"{place.name}.map")
        self._lock = threading.Lock()
        self._hashing = threading.Lock()
        self._buffer = memoryview(bytearray(SEGMENT_BYTES))
        self.segments = segment_count(file.size)
        self._ended = False
        self._begin(self._kept())
        self.resumed = any(self._there)
        """Whether some of it is from an earlier run, whose disk we trust less than our own eyes."""

    @property
    def missing_bytes(self) -> int:
        """Bytes that are still to be fetched."""
        return sum(self._size(n) for n in range(self.segments) if not self._there[n])

    @property
    def is_over(self) -> bool:
        """Whether somebody ends it, or has ended it: there is nothing left to help with."""
        return self._ended

    def claim(self) -> tuple[int, int] | None:
        """Give a range of segments, from the first to before the second, to nobody else; None if none is left."""
        with self._lock:
            return self._unclaimed.popleft() if self._unclaimed else None

    @contextmanager
    def writing(self) -> Iterator["Pen"]:
        """Give one thread something to write with.

        Raises:
            OSError: the disk fails.
        """
        with self._place.open("r+b", buffering=0) as data, self._map.open("r+b", buffering=0) as counted:
            yield Pen(self, data, counted)

    def take_end(self) -> bool:
        """Tell whether all segments are there; only the first who asks then is told, and ends the work."""
        with self._lock:
            ours = not self._ended and not self._missing
            self._ended = self._ended or ours
            return ours

    def is_right(self) -> bool:
        """Hash what is not hashed yet, and tell whether the whole is the file that was published.

        Raises:
            OSError: the disk fails.
        """
        with self._hashing, self._place.open("rb", buffering=0) as data:
            self._catch_up(data)
            return self._digest.hexdigest() == self.file.sha256

    def start_again(self) -> None:
        """Forget what there is: the disk has not kept it.

        Raises:
            OSError: the disk fails.
        """
        self._map.write_bytes(bytes(self.segments))
        self._begin(bytearray(self.segments))
        self.resumed = False

    def opened(self) -> BinaryIO:
        """Open what there is."""
        return self._place.open("r+b", buffering=0)

    def move_to(self, place: Path) -> None:
        """Give it its name."""
        self._place.replace(place)
        self._map.unlink()

    def discard(self) -> None:
        """Remove it."""
        self._place.unlink(missing_ok=True)
        self._map.unlink(missing_ok=True)

    def _kept(self) -> bytearray:
        """Return the map of an earlier run, or make a new one. The data's size says whether the map is about it."""
        try:
            there = bytearray(self._map.read_bytes())
            if len(there) == self.segments and self._place.stat().st_size == self.file.size:
                return there
        except FileNotFoundError:
            pass
        self._map.write_bytes(bytes(self.segments))
        with self._place.open("wb") as data:
            data.truncate(self.file.size)
        return bytearray(self.segments)

    def _begin(self, there: bytearray) -> None:
        with self._lock:
            self._there = there
            self._missing = there.count(0)
            self._unclaimed = deque(_ranges(there))
            self._digest, self._hashed, self._ended = hashlib.sha256(), 0, False

    def _size(self, index: int) -> int:
        return min(segment_start(index + 1), self.file.size) - segment_start(index)

    def _count(self, index: int, counted: BinaryIO) -> None:
        with self._lock:
            counted.seek(index)
            counted.write(b"\1")
            self._there[index] = 1
            self._missing -= 1

    def _hash(self, index: int, plaintext: memoryview, data: BinaryIO) -> None:
        """Hash it if it is the next in line, and what lies behind it; unless somebody is at it."""
        if not self._hashing.acquire(blocking=False):
            return
        try:
            if index == self._hashed:
                self._digest.update(plaintext)
                self._hashed += 1
            self._catch_up(data)
        finally:
            self._hashing.release()

    def _catch_up(self, data: BinaryIO) -> None:
        while self._hashed < self.segments and self._there[self._hashed]:
            wanted = self._buffer[: self._size(self._hashed)]
            data.seek(segment_start(self._hashed))
            filled = 0
            while filled < len(wanted):
                filled += data.readinto(wanted[filled:]) or _ended_early()  # type: ignore[attr-defined]  # raw files do
            self._digest.update(wanted)
            self._hashed += 1


class Pen:
    """What one thread writes an assembly with."""

    def __init__(self, assembly: Assembly, data: BinaryIO, counted: BinaryIO) -> None:
        self._assembly = assembly
        self._data = data
        self._counted = counted

    def write(self, index: int, plaintext: memoryview) -> None:
        """Write a segment, then count it.

        Raises:
            OSError: the disk fails.
        """
        self._data.seek(segment_start(index))
        rest = plaintext
        while rest:
            rest = rest[self._data.write(rest) :]
        self._assembly._count(index, self._counted)  # noqa: SLF001 -- its own pen
        self._assembly._hash(index, plaintext, self._data)  # noqa: SLF001 -- its own pen


def _ranges(there: bytearray) -> Iterator[tuple[int, int]]:
    r"""Yield the runs of what is missing, cut to what one request fetches.

    >>> list(_ranges(bytearray(b"\1\0\0\1\0")))
    [(1, 3), (4, 5)]
    """
    start = there.find(0)
    while start >= 0:
        found = there.find(1, start)
        end = min(len(there) if found < 0 else found, start + RANGE_SEGMENTS)
        yield start, end
        start = there.find(0, end)


def _ended_early() -> int:
    raise OSError("a partial file is shorter than it was")
