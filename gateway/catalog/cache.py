"""Reads a resource's pages out of their packs, and keeps what was read lately: it never changes, so none is stale."""

import asyncio
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from gateway.catalog.page import Child, Page
from gateway.catalog.places import decode_stored
from gateway.errors import IntegrityError
from gateway.ports import PackStore

T = TypeVar("T")

DEFAULT_PAGE_BYTES = 8 << 20
"""Of encoded pages. Decoded they take about four times as much: some 40 MiB of the server's memory when full."""
DEFAULT_PACK_BYTES = 8 << 20
"""Of packs as they are, each of which holds some 300 pages."""


class Recent(Generic[T]):
    """Values under their keys, as many as their bytes allow. Those used longest ago go first."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()
        self.bytes = 0
        """How many bytes the values count for; at most `max_bytes`."""

    def get(self, key: Hashable) -> T | None:
        """Return the value if it is here."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        self._kept.move_to_end(key)
        return kept[0]

    def put(self, key: Hashable, value: T, size: int) -> None:
        """Keep the value, and drop others to make room."""
        if key in self._kept:
            return
        self._kept[key] = (value, size)
        self.bytes += size
        while self.bytes > self._max_bytes:
            _, (_, dropped) = self._kept.popitem(last=False)
            self.bytes -= dropped


class PageCache:
    """What the requests of a process share, on its event loop.

    Pages of all resources are in it: a digest is known only to those who were let through to the version it is from.
    """

    def __init__(self, *, page_bytes: int = DEFAULT_PAGE_BYTES, pack_bytes: int = DEFAULT_PACK_BYTES) -> None:
        self.pages: Recent[Page] = Recent(page_bytes)
        self.packs: Recent[bytes] = Recent(pack_bytes)
        self.reads: dict[str, asyncio.Task[bytes]] = {}
        """Packs on their way here; whoever needs one meanwhile waits for the same."""


class Pages:
    """A resource's pages, through the cache."""

    def __init__(self, packs: PackStore, cache: PageCache) -> None:
        self.packs = packs
        self._cache = cache

    async def load(self, child: Child) -> Page:
        """Return the page that this describes.

        Raises:
            IntegrityError: it is not what was stored.
        """
        # The place is part of the key: where it is stored twice, as two pushes wrote it at once, each copy of an index
        # page leads to other copies of the pages below it, and one of them may be collected as garbage.
        key = (child.digest, child.place)
        page = self._cache.pages.get(key)
        if page is None:
            stored = await self._stored(child)
            page = decode_stored(stored, child.digest)
            self._cache.pages.put(key, page, len(stored))
        return page

    def expect(self, child: Child) -> None:
        """Begin to read the pack of a page that will be asked for soon."""
        if child.place and self._cache.packs.get(child.place.pack) is None:
            self._begin(child.place.pack)

    async def _stored(self, child: Child) -> bytes:
        place = child.place
        if place is None:
            raise IntegrityError(f"Nothing says where manifest page {child.digest} is.")
        pack = self._cache.packs.get(place.pack)
        if pack is None:
            # Shielded: a caller who goes away must not take the pack from those who wait with them.
            pack = await asyncio.shield(self._begin(place.pack))
        return pack[place.start :] if place.size is None else pack[place.start : place.start + place.size]

    def _begin(self, name: str) -> asyncio.Task[bytes]:
        task = self._cache.reads.get(name)
        if task is None:
            task = self._cache.reads[name] = asyncio.create_task(self._read(name))
            task.add_done_callback(lambda done: self._end(name, done))
        return task

    async def _read(self, name: str) -> bytes:
        pack = await self.packs.get(name)
        self._cache.packs.put(name, pack, len(pack))
        return pack

    def _end(self, name: str, task: asyncio.Task[bytes]) -> None:
        del self._cache.reads[name]
        if not task.cancelled():
            task.exception()  # who asked is told; what was only expected may fail unheard
