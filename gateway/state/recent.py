"""The catalog with a memory of a second: what most requests ask is read once for all of them, and never in their way.

A write of this instance is seen by it at once; one of another instance after a second at most.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Coroutine, Hashable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from gateway.model import Input, Push, Resource, ResourceName, Version
from gateway.state.catalog import SqlCatalog
from gateway.state.engine import Database

_T = TypeVar("_T")

KEPT_FOR = timedelta(seconds=1)
"""How old an answer may be; a tag that another instance moved is followed after that."""
CAPACITY = 4096
"""Answers kept: callers choose the names that they ask for, and must not fill the memory with them."""


class RecentCatalog(SqlCatalog):
    """A `gateway.ports.CatalogStore` that remembers resources, versions and tags. For one event loop.

    Args:
        database: Where the rows are.
        monotonic: Seconds that only grow, to age what is in memory: the system's clock may be set back.
    """

    def __init__(self, database: Database, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__(database)
        self._monotonic = monotonic
        self._reads: OrderedDict[Hashable, tuple[float, asyncio.Task[Any]]] = OrderedDict()

    async def find_resource(self, name: ResourceName) -> Resource | None:
        """Return the resource, if there is one of this name."""
        return await self._recent(name, lambda: SqlCatalog.find_resource(self, name))

    async def find_version(
        self, resource: Resource, *, number: int | None = None, digest: str | None = None
    ) -> Version | None:
        """Return the version of this number or digest, the newest if several have the digest, or of all."""
        return await self._recent(
            (resource.id, number, digest),
            lambda: SqlCatalog.find_version(self, resource, number=number, digest=digest),
        )

    async def tags(self, resource: Resource) -> Mapping[str, int]:
        """Return each tag and the version number that it names, in the order of the tags."""
        return await self._recent(resource.id, lambda: SqlCatalog.tags(self, resource))

    async def create_resource(self, resource: Resource) -> Resource:
        """Add the resource, or return the one that already has its name."""
        made: Resource = await self._written(super().create_resource(resource))
        return made

    async def change_resource_tags(
        self, resource: Resource, *, put: Mapping[str, str], remove: Collection[str]
    ) -> Mapping[str, str]:
        """Put and remove tags in one step, and return what the resource has then."""
        tags: Mapping[str, str] = await self._written(super().change_resource_tags(resource, put=put, remove=remove))
        return tags

    async def set_tag(self, resource: Resource, tag: str, number: int) -> None:
        """Move or make the tag."""
        await self._written(super().set_tag(resource, tag, number))

    async def commit_push(
        self,
        push: Push,
        version: Version,
        tags: Sequence[str],
        *,
        taken_from: Collection[int] = (),
        inputs: Collection[Input] = (),
    ) -> Version:
        """In one transaction: give the version the next number, move the tags to it, close the push."""
        committed: Version = await self._written(
            super().commit_push(push, version, tags, taken_from=taken_from, inputs=inputs)
        )
        return committed

    async def remove_version(self, resource: Resource, number: int, *, at: datetime, by: str) -> Version:
        """Remove a version for all who read."""
        removed: Version = await self._written(super().remove_version(resource, number, at=at, by=by))
        return removed

    async def _recent(self, key: Hashable, read: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """Return what was read within the last second, or read it, once for all who ask meanwhile."""
        read_at, task = self._reads.get(key, (float("-inf"), None))
        if task is None or self._monotonic() - read_at >= KEPT_FOR.total_seconds() or _failed(task):
            task = asyncio.create_task(read())
            self._reads.pop(key, None)
            # Aged from when the reading began: the database may have answered with the state of that moment.
            self._reads[key] = (self._monotonic(), task)
            if len(self._reads) > CAPACITY:
                self._reads.popitem(last=False)
        # Shielded: a caller who goes away must not take the answer from those who wait with them.
        return task.result() if task.done() else await asyncio.shield(task)

    async def _written(self, write: Coroutine[Any, Any, _T]) -> _T:
        try:
            return await write
        finally:
            # Also what is being read at this moment: it may be from before the write, and is kept for nobody new.
            self._reads.clear()


def _failed(task: asyncio.Task[Any]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
