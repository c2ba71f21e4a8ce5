"""The archive of a journal's tree in S3: tiles, entries and checkpoints, which nobody can change or delete for a time.

It is laid out as C2SP tlog-tiles has it, below one prefix, so that public tools read it. The entries are hashes: the
archive tells what the journal was, and nothing of what is in it.
"""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice

from gateway.audit.tiles import tiles_between
from gateway.audit.tree import Tree
from gateway.clock import Clock
from gateway.errors import NotFound
from gateway.ports import ObjectStore

_AT_ONCE = 16


class TileArchive:
    """What one log has in a bucket.

    Args:
        objects: The bucket; where it has Object Lock, every write is locked.
        origin: The log's name, which is the prefix below `audit/`.
        keep: How long nothing can be deleted or replaced.
        clock: The time.
    """

    def __init__(self, objects: ObjectStore, *, origin: str, keep: timedelta, clock: Clock) -> None:
        self._objects = objects
        self._prefix = f"audit/{origin}"
        self._keep = keep
        self._clock = clock

    async def newest(self) -> bytes | None:
        """Return the newest checkpoint's note, unchecked; none if nothing was archived.

        Raises:
            StorageUnavailable: S3 is away.
        """
        try:
            return await self._objects.get(f"{self._prefix}/checkpoint")
        except NotFound:
            return None

    async def store(self, tree: Tree, note: bytes, *, before: int, size: int) -> None:
        """Store what the tree of `size` has over that of `before`, and then the checkpoint that covers it.

        Raises:
            StorageUnavailable: S3 is away; the checkpoint there still covers only what is there.
        """
        files = _files(tree, before, size)
        while batch := list(islice(files, _AT_ONCE)):
            await asyncio.gather(*(self._put(path, body) for path, body in batch))
        await self._put(f"checkpoints/{size:016d}", note)
        await self._put("checkpoint", note)

    async def _put(self, path: str, body: bytes) -> None:
        await self._objects.keep(f"{self._prefix}/{path}", body, until=self._clock() + self._keep)


def _files(tree: Tree, before: int, size: int) -> Iterator[tuple[str, bytes]]:
    for tile in tiles_between(before, size):
        yield tile.path, tree.read_tile(tile)
        if tile.level == 0:
            yield tile.entries_path, tree.read_bundle(tile)
