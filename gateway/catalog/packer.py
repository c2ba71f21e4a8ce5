"""Puts the pages of a coming version together into packs, and writes them, a few at a time.

Pages are small, so that few of them change; what is stored is large, as a store does few requests a second.
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from gateway.catalog.page import Child, Page, Place, encode
from gateway.catalog.places import encode_places, pack_name
from gateway.ports import PackStore

PACK_BYTES = 1 << 20
"""A pack is full when it has as many. It is read whole, to find one file as well, so it is not larger."""
_WRITES = 4
"""Packs on their way to the store at a time; they are held in memory."""


class Packer:
    """Writes the pages of one push.

    Args:
        packs: Where to.
        push_id: Whose packs they are. Garbage collection goes by this.
        known: Places of pages, by digest, that versions have which stay while this one is made.
    """

    def __init__(self, packs: PackStore, push_id: str, known: Mapping[str, Place] | None = None) -> None:
        self._packs = packs
        self._push_id = push_id
        self._known = known or {}
        self._level: list[Child] = []
        self._waiting: list[tuple[int, int, int]] = []
        """Of the pack that is being filled: which child of the level, where its page starts, and its size."""
        self._pack = bytearray()
        self._last = b""
        self._writes: set[asyncio.Task[None]] = set()
        self.added = 0
        """Pages that no version had before."""

    async def add(self, page: Page, child: Child) -> None:
        """Take the next page of a level; `child` describes it, but for its digest and place, which are found here."""
        encoded = encode(page)
        digest = hashlib.sha256(encoded).hexdigest()
        place = self._known.get(digest)
        self._last = encoded + encode_places(page)
        if place is None:
            self._waiting.append((len(self._level), len(self._pack), len(self._last)))
            self._pack += self._last
            self.added += 1
        self._level.append(replace(child, digest=digest, place=place))
        if len(self._pack) >= PACK_BYTES:
            await self._seal()

    async def end_level(self) -> Sequence[Child]:
        """Write what waits, and return the level's pages with their places. One page alone gets a pack of its own."""
        if len(self._level) == 1:
            self._waiting = [(0, 0, len(self._last))]
            self._pack[:] = self._last
        await self._seal()
        level, self._level = self._level, []
        return level

    async def finish(self) -> None:
        """Return when all packs are stored."""
        while self._writes:
            await self._settle()

    async def abandon(self) -> None:
        """Stop writing."""
        for write in self._writes:
            write.cancel()
        await asyncio.gather(*self._writes, return_exceptions=True)

    async def _seal(self) -> None:
        if not self._waiting:
            return
        content = bytes(self._pack)
        name = pack_name(self._push_id, content)
        for number, start, size in self._waiting:
            self._level[number] = replace(self._level[number], place=Place(name, start, size))
        self._waiting, self._pack = [], bytearray()
        while len(self._writes) >= _WRITES:
            await self._settle()
        self._writes.add(asyncio.create_task(self._packs.put(name, content)))

    async def _settle(self) -> None:
        done, self._writes = await asyncio.wait(self._writes, return_when=asyncio.FIRST_COMPLETED)
        failures = [failure for write in done if (failure := write.exception())]  # each is asked, or Python complains
        if failures:
            raise failures[0]
