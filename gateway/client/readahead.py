"""Reads in whole segments, keeps the last ones, and fetches ahead of whoever reads on and on."""

import os
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from gateway.envelope.layout import segment_of, segment_start

_KEPT_SEGMENTS = 24
"""Segments of about 1 MiB that are held in memory: what is read ahead, and what was read last."""
_MOST_AHEAD = 8
"""Segments that one request fetches ahead, once a reader has shown that it goes on."""
_SOON = 1
"""Segments that a reader may enter, one after the other, and stop: a column of a Parquet file, a tensor."""

Read = Callable[[int, int], bytes]
"""Returns the bytes `start` to `end` of a file."""


class ReadAhead:
    """A file's bytes by way of `read`, for one thread. Formats like Parquet read near again and again; loaders go on.

    >>> asked = []
    >>> def read(start, end):
    ...     asked.append((start, end))
    ...     return bytes(end - start)
    >>> ahead = ReadAhead(read, 5000)
    >>> len(ahead.read(4990, 5000)), len(ahead.read(10, 20)), asked
    (10, 10, [(0, 5000)])
    """

    def __init__(self, read: Read, size: int) -> None:
        self._read = read
        self._size = size
        self._segments: OrderedDict[int, bytes] = OrderedDict()
        self._next = -1
        """Where the last read ended."""
        self._began = 0
        """The segment in which the reader began to go on and on."""
        self._pool: ThreadPoolExecutor | None = None
        self._coming: tuple[range, Future[bytes]] | None = None
        self._process = os.getpid()

    def close(self) -> None:
        """Give up what is being fetched, and forget the rest."""
        self._coming = None
        self._segments.clear()
        if self._pool:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes `start` to `end`, as far as the file reaches."""
        end = min(end, self._size)
        if start >= end:
            return b""
        if self._process != os.getpid():
            # The thread stayed with the parent: what it fetches will never come here.
            self._process, self._pool, self._coming = os.getpid(), None, None
        first, last = segment_of(start), segment_of(end - 1)
        if start != self._next:
            self._began = first
        self._next = end
        if last - first > _MOST_AHEAD:
            return self._read(start, end)
        self._take_what_comes(first, last)
        wanted = range(first, last + 1)
        for index in wanted:
            if index in self._segments:
                self._segments.move_to_end(index)
        self._fetch([index for index in wanted if index not in self._segments])
        if last > self._began + _SOON:
            self._fetch_ahead(last, min(2 * (last - self._began - _SOON), _MOST_AHEAD))
        base = segment_start(first)
        return b"".join(self._segments[index] for index in wanted)[start - base : end - base]

    def _take_what_comes(self, first: int, last: int) -> None:
        """Wait for what is being fetched, if it has what is wanted."""
        if self._coming and (last in self._coming[0] or first in self._coming[0]):
            indices, future = self._coming
            self._coming = None
            self._put(indices, future.result())

    def _fetch(self, missing: list[int]) -> None:
        if missing:
            indices = range(missing[0], missing[-1] + 1)
            self._put(indices, self._read(*self._span(indices)))

    def _fetch_ahead(self, last: int, ahead: int) -> None:
        """Begin to fetch `ahead` segments more, if no more than half as many lie behind the last that was read."""
        start = last + 1
        while start in self._segments:
            start += 1
        indices = range(start, min(start + ahead, segment_of(self._size - 1) + 1))
        if indices and start - last <= 1 + ahead // 2 and not (self._coming and start in self._coming[0]):
            if self._coming:
                self._coming[1].cancel()
            self._pool = self._pool or ThreadPoolExecutor(1, thread_name_prefix="gateway-ahead")
            self._coming = indices, self._pool.submit(self._read, *self._span(indices))

    def _put(self, indices: range, data: bytes) -> None:
        base = segment_start(indices[0])
        for index in indices:
            self._segments[index] = data[segment_start(index) - base : segment_start(index + 1) - base]
        while len(self._segments) > _KEPT_SEGMENTS:
            self._segments.popitem(last=False)

    def _span(self, indices: range) -> tuple[int, int]:
        return segment_start(indices[0]), min(segment_start(indices[-1] + 1), self._size)
