"""Deletes what no version reaches: objects of pushes that came to nothing, and what only removed versions had.

It is safe beside pushes, without a lock and however slow either is:

1. Pushes that have run out are closed, each in a transaction, which a commit under way then fails in.
2. The pushes that are closed or committed by now can never commit again. What the others wrote is left alone.
3. The versions are read after that, so every push of step 2 that is committed has its version among them.
4. A push that commits later may share pages and objects with versions, and its transaction refuses it unless they
   are still there. What it shares is therefore reached by a version of step 3, or is its own, which step 2 leaves.

So what no version of step 3 reaches, and a push of step 2 wrote, nothing will ever reach.
"""

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from datetime import timedelta

from gateway.broker.access import Caller, Grant, Guard
from gateway.broker.layout import object_key_in_bucket, object_prefix, pack_prefix
from gateway.broker.pages import PagesOf
from gateway.broker.reach import Reach, is_ours, reach_of
from gateway.broker.resolve import known
from gateway.clock import Clock
from gateway.errors import GatewayError
from gateway.model import Push, Resource, ResourceName
from gateway.ports import CatalogStore, ObjectStore, StoredObject

_AT_ONCE = 1000
"""Objects that are deleted together: S3's own limit (Amazon S3, "DeleteObjects")."""


@dataclass(slots=True)
class Collected:
    """What was deleted, or would be."""

    objects: int = 0
    packs: int = 0
    bytes: int = 0
    pushes: int = 0
    """Pushes that had run out, and were closed."""


class Garbage:
    """The garbage use case."""

    def __init__(
        self, guard: Guard, store: CatalogStore, objects: ObjectStore, pages_of: PagesOf, clock: Clock
    ) -> None:
        self._guard = guard
        self._store = store
        self._objects = objects
        self._pages_of = pages_of
        self._clock = clock

    async def collect(self, caller: Caller, name: ResourceName, *, grace: timedelta, dry_run: bool) -> Collected:
        """Delete what no version of the resource reaches.

        Args:
            caller: Who asks.
            name: Whose garbage.
            grace: How long the data of a version stays once it was removed, and that of a push once it has run out:
                longer than the links live that were given to it.
            dry_run: Count what would be deleted, and change nothing.

        Raises:
            IntegrityError: a page is damaged, so that nobody can tell what is reached; nothing was deleted.
        """
        found = await self._store.find_resource(name)
        async with self._guard.changing(caller, "gateway:CollectGarbage", str(name), about=found) as grant:
            resource = known(found, name)
            done = Collected()
            since = self._clock() - grace
            for push in await self._store.list_pushes(resource):
                if _has_run_out(push) and push.expires_at <= since:
                    done.pushes += 1
                    if not dry_run:
                        await self._close(resource, push)
            over = {push.id for push in await self._store.list_pushes(resource) if _is_over(push)}
            versions = await self._store.list_versions(resource, removed_since=since)
            reach = await reach_of(versions, self._pages_of(resource.id))
            await self._sweep(done, self._objects_of(resource, reach, over), dry_run=dry_run)
            objects = done.objects
            await self._sweep(done, self._packs_of(resource, reach, over), dry_run=dry_run)
            done.objects, done.packs = objects, done.objects - objects
            _note(grant, done)
            return done

    async def _close(self, resource: Resource, push: Push) -> None:
        try:
            uploads = await self._store.close_push(push.id)
        except GatewayError:
            return  # it was committed at this moment, and is one of those of step 2
        for number, upload_id in uploads:
            await self._objects.abort_multipart(object_key_in_bucket(resource.id, f"{push.id}/{number}"), upload_id)

    async def _objects_of(self, resource: Resource, reach: Reach, over: Collection[str]) -> AsyncIterator[StoredObject]:
        """Yield the objects of pushes that are over which nothing reaches. What we do not know is not ours to judge."""
        prefix = object_prefix(resource.id)
        async for found in self._objects.list(prefix):
            object_id = found.key.removeprefix(prefix)
            if object_id.partition("/")[0] in over and is_ours(object_id) and not reach.has(object_id):
                yield found

    async def _packs_of(self, resource: Resource, reach: Reach, over: Collection[str]) -> AsyncIterator[StoredObject]:
        prefix = pack_prefix(resource.id)
        async for found in self._objects.list(prefix):
            pack = found.key.removeprefix(prefix)
            if pack.partition("/")[0] in over and pack not in reach.packs:
                yield found

    async def _sweep(self, done: Collected, garbage: AsyncIterator[StoredObject], *, dry_run: bool) -> None:
        batch: list[str] = []
        async for found in garbage:
            done.objects += 1
            done.bytes += found.size
            batch.append(found.key)
            if len(batch) == _AT_ONCE:
                await self._delete(batch, dry_run=dry_run)
                batch = []
        await self._delete(batch, dry_run=dry_run)

    async def _delete(self, keys: list[str], *, dry_run: bool) -> None:
        if keys and not dry_run:
            await self._objects.delete_all(keys)


def _has_run_out(push: Push) -> bool:
    return push.committed_as is None and not push.closed


def _is_over(push: Push) -> bool:
    return push.committed_as is not None or push.closed


def _note(grant: Grant, done: Collected) -> None:
    grant.facts |= {"objects": done.objects + done.packs, "bytes": done.bytes}
