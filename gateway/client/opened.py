"""Files that fsspec has opened for reading."""

import os
from typing import Any

from fsspec.caching import BaseCache, Fetcher, register_cache
from fsspec.spec import AbstractBufferedFile

from gateway.client.python_errors import python_errors
from gateway.client.readahead import ReadAhead
from gateway.client.remote import RemoteObject


class SegmentsCache(BaseCache):  # type: ignore[misc]  # fsspec has no types
    """Keeps whole segments, and fetches ahead of who reads on and on. fsspec's other caches know no segments."""

    name = "segments"

    def __init__(self, blocksize: int, fetcher: Fetcher, size: int) -> None:
        super().__init__(blocksize, fetcher, size)
        self._ahead = ReadAhead(fetcher, size)

    def _fetch(self, start: int | None, stop: int | None) -> bytes:
        return self._ahead.read(start or 0, self.size if stop is None else stop)

    def close(self) -> None:
        """Stop reading ahead."""
        self._ahead.close()


register_cache(SegmentsCache, clobber=True)


class ObjectFile(AbstractBufferedFile):  # type: ignore[misc]  # fsspec has no types
    """A file that is read as needed. After a fork, or unpickled, it goes on with connections of its own process."""

    def __init__(  # noqa: PLR0913 -- fsspec's, and the content
        self,
        fs: Any,  # noqa: ANN401 -- fsspec has no types
        path: str,
        mode: str,
        block_size: int | None,
        *,
        content: RemoteObject,
        cache_type: str = SegmentsCache.name,
        **options: Any,  # noqa: ANN401 -- fsspec's own
    ) -> None:
        self._content = content
        self._process = os.getpid()
        options["size"] = content.file.size
        super().__init__(fs, path, mode, block_size or "default", cache_type=cache_type, **options)

    def _fetch_range(self, start: int, end: int) -> bytes:
        if self._process != os.getpid():
            self._content, self._process = self.fs.content(self.path), os.getpid()
        with python_errors():
            return self._content.read(start, end)
