"""Keeps decoded pages that were read lately. Pages never change, so nothing here can be stale."""

from collections import OrderedDict

from gateway.catalog.page import Page, decode
from gateway.ports import PageStore

DEFAULT_CACHE_BYTES = 16 << 20
"""Of encoded pages. Decoded they take about four times as much: some 64 MiB of the server's memory when full."""


class PageCache:
    """The least recently used pages go first. One object serves all requests of a process, on its event loop.

    Pages of all resources share it: a digest is known only to those who were let through to the version it is from.
    """

    def __init__(self, *, max_bytes: int = DEFAULT_CACHE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._pages: OrderedDict[str, tuple[Page, int]] = OrderedDict()
        self._bytes = 0

    @property
    def encoded_bytes(self) -> int:
        """How many bytes the pages in the cache have when encoded; at most `max_bytes`."""
        return self._bytes

    def get(self, digest: str) -> Page | None:
        """Return the page if it is here."""
        kept = self._pages.get(digest)
        if kept is None:
            return None
        self._pages.move_to_end(digest)
        return kept[0]

    def put(self, digest: str, page: Page, *, encoded_bytes: int) -> None:
        """Keep the page, and drop those used longest ago to make room."""
        if digest in self._pages:
            return
        self._pages[digest] = (page, encoded_bytes)
        self._bytes += encoded_bytes
        while self._bytes > self._max_bytes:
            _, (_, dropped) = self._pages.popitem(last=False)
            self._bytes -= dropped


class CachedPages:
    """A resource's page store behind the cache. The manifest reads it decoded; all else goes through to the store."""

    def __init__(self, pages: PageStore, cache: PageCache) -> None:
        self._pages = pages
        self._cache = cache

    async def get(self, digest: str) -> bytes:
        """Return the page's bytes, from the store."""
        return await self._pages.get(digest)

    async def put(self, page: bytes) -> str:
        """Store the page. It is not cached: who writes a version seldom reads it next."""
        return await self._pages.put(page)

    async def load(self, digest: str) -> Page:
        """Return the page decoded, from the cache if it is there."""
        page = self._cache.get(digest)
        if page is None:
            encoded = await self._pages.get(digest)
            page = decode(encoded)
            self._cache.put(digest, page, encoded_bytes=len(encoded))
        return page
