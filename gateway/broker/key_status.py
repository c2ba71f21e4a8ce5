"""How a resource's keys stand: what hangs on each version of the KEK and each epoch, their age, what is due."""

from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.broker.access import Caller, Guard
from gateway.broker.moved import follow
from gateway.broker.pages import PagesOf
from gateway.broker.resolve import known
from gateway.catalog import manifest
from gateway.clock import Clock
from gateway.errors import NotFound
from gateway.keys.lifecycle import Lifecycle
from gateway.model import Reencryption, Resource, ResourceName, Shred
from gateway.ports import CatalogStore, Kek, ReencryptionStore, ShredStore, WrappedKey

_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class EpochStatus:
    """A data key and what is encrypted under it."""

    key: WrappedKey
    objects: int | None
    """Distinct objects that some version has; None if they were not counted."""
    size: int | None
    """Bytes of their plaintext."""
    open_pushes: int
    """Pushes that may still bring more."""


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """A resource's keys."""

    kek: Kek
    due_at: datetime
    """When the KEK's next rotation is due."""
    epochs: Sequence[EpochStatus]
    reencryption: Reencryption | None
    shred: Shred | None


class DescribeKeys:
    """The use case."""

    def __init__(
        self,
        guard: Guard,
        store: CatalogStore,
        lifecycle: Lifecycle,
        pages_of: PagesOf,
        jobs: ReencryptionStore,
        shreds: ShredStore,
        clock: Clock,
        *,
        rotate_every: timedelta,
    ) -> None:
        self._guard = guard
        self._store = store
        self._lifecycle = lifecycle
        self._pages_of = pages_of
        self._jobs = jobs
        self._shreds = shreds
        self._clock = clock
        self._rotate_every = rotate_every

    async def describe(self, caller: Caller, name: ResourceName, *, count: bool) -> KeyStatus:
        """Return how the keys stand; to count objects reads the manifest of every version.

        Raises:
            NotFound: nothing was pushed yet.
        """
        found = await self._store.find_resource(name)
        async with self._guard.reading(caller, "gateway:DescribeKeys", str(name), about=found):
            resource = known(found, name)
            state = await self._lifecycle.describe(resource.id)
            if state is None:
                raise NotFound(f"{name} has no keys yet.", hint="The first push makes them.")
            objects, sizes = await self._count(resource) if count else (None, None)
            pushes = await self._jobs.open_pushes(resource.id, now=self._clock())
            return KeyStatus(
                kek=state.kek,
                due_at=state.kek.made_at[state.kek.newest] + self._rotate_every,
                epochs=[
                    EpochStatus(
                        row,
                        objects[row.epoch] if objects is not None else None,
                        sizes[row.epoch] if sizes is not None else None,
                        pushes.get(row.epoch, 0),
                    )
                    for row in state.rows
                ],
                reencryption=await self._jobs.find(resource.id),
                shred=await self._shreds.find(resource.id),
            )

    async def _count(self, resource: Resource) -> tuple[Counter[int], Counter[int]]:
        """Return how many objects each epoch has, and their bytes."""
        objects, sizes, seen = Counter[int](), Counter[int](), set[str]()
        pages = self._pages_of(resource.id)
        for version in await self._store.list_versions(resource):
            async with aclosing(manifest.batches(manifest.root_of(version), pages)) as batches:
                async for batch in batches:
                    for at in range(0, len(batch), _AT_ONCE):
                        new = {e.object_id: e for e in batch[at : at + _AT_ONCE] if e.object_id not in seen}
                        seen |= new.keys()
                        for entry in await follow(self._jobs, resource.id, list(new.values())):
                            objects[entry.epoch] += 1
                            sizes[entry.epoch] += entry.size
        return objects, sizes
