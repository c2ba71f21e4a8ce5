"""A pull's intake by way of the cache on disk."""

from collections.abc import Callable, Generator

from gateway.client.bulk import BulkTransport
from gateway.client.cache import DiskCache
from gateway.client.fresh import FreshLinks
from gateway.client.intake import Intake
from gateway.client.remote import RemoteObject
from gateway.envelope.layout import segment_count, segment_start

_RUN_SEGMENTS = 8
"""Segments that are read at a time: those that the cache has not come in one request."""


class CachedIntake(Intake):
    """Takes segments from the cache, and keeps there what S3 had to give."""

    def __init__(self, bulk: BulkTransport, cache: DiskCache, *, check: Callable[[], None]) -> None:
        super().__init__(bulk, check=check)
        self._cache = cache

    def segments(
        self, links: FreshLinks, path: str, *, start: int = 0, end: int | None = None
    ) -> Generator[tuple[int, memoryview], None, None]:
        """Yield index and plaintext of the file's segments from `start` to before `end`."""
        content = RemoteObject(self._bulk, links, path, self._cache)
        count = segment_count(content.file.size)
        stop = count if end is None else min(count, end)
        for first in range(start, stop, _RUN_SEGMENTS):
            self._check()
            run = range(first, min(first + _RUN_SEGMENTS, stop))
            base = segment_start(first)
            data = memoryview(content.read(base, segment_start(run[-1] + 1)))
            for index in run:
                yield index, data[segment_start(index) - base : segment_start(index + 1) - base]
