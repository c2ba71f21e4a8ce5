"""Looks after a resource's keys: rotation, new epochs, and the end of old versions. No data is touched."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from gateway.broker.access import Caller, Guard
from gateway.broker.resolve import known
from gateway.clock import Clock
from gateway.errors import GatewayError, Shredded
from gateway.keys.lifecycle import KeyState, Lifecycle
from gateway.model import Resource, ResourceName
from gateway.ports import CatalogStore

_AT_A_TIME = 8
"""Resources whose keys are rotated beside each other; Vault has other callers."""


@dataclass(frozen=True, slots=True)
class Rotated:
    """What became of one resource's keys."""

    name: ResourceName
    kek_version: int = 0
    rewrapped: int = 0
    was_due: bool = False
    """Whether the KEK was rotated; if not, it was young enough, or nothing was pushed yet."""
    failure: GatewayError | None = None


class Rotate:
    """The key use cases that touch no data."""

    def __init__(self, guard: Guard, store: CatalogStore, lifecycle: Lifecycle, clock: Clock) -> None:
        self._guard = guard
        self._store = store
        self._lifecycle = lifecycle
        self._clock = clock

    async def rotate(self, caller: Caller, name: ResourceName) -> tuple[int, int]:
        """Add a version to the resource's KEK; return its number and how many data keys were wrapped anew."""
        found = await self._store.find_resource(name)
        async with self._guard.changing(caller, "gateway:RotateKey", str(name), about=found) as grant:
            resource = known(found, name)
            kek_version, rewrapped = await self._lifecycle.rotate(resource.id)
            grant.facts |= {"kek_version": kek_version, "rewrapped": rewrapped}
            return kek_version, rewrapped

    async def new_epoch(self, caller: Caller, name: ResourceName) -> int:
        """Make a new data key for what is pushed from now on; return its epoch. What is there stays as it is."""
        found = await self._store.find_resource(name)
        async with self._guard.changing(caller, "gateway:RotateKey", str(name), about=found) as grant:
            resource = known(found, name)
            epoch = grant.facts["epoch"] = await self._lifecycle.new_epoch(resource.id)
            return epoch

    async def retire(self, caller: Caller, name: ResourceName) -> int:
        """Let only the newest version of the KEK open data keys from now on; return it.

        Raises:
            StillNeeded: a data key hangs on an older version; nothing has changed.
        """
        found = await self._store.find_resource(name)
        async with self._guard.changing(caller, "gateway:RotateKey", str(name), about=found) as grant:
            resource = known(found, name)
            version = grant.facts["kek_version"] = await self._lifecycle.retire(resource.id)
            return version

    async def rotate_due(
        self, caller: Caller, *, after: ResourceName | None, limit: int, older_than: timedelta
    ) -> tuple[Sequence[Rotated], ResourceName | None]:
        """Rotate the keys, among the next `limit` resources, whose newest version is so old; rewrap what lags behind.

        Resources come in the order of their names; each is decided on its own, and those that the caller may not
        rotate are left out. What was rotated is young, so a run that was cut off is simply begun again. One that fails
        does not hold the others up.

        Returns:
            What became of each, and the name to go on after, if there are more.
        """
        async with self._guard.reading(caller, "gateway:ListResources", "*/*/*") as grant:
            found = await self._store.list_resources(kind=None, namespace=None, after=after, limit=limit)
            allowed = [resource for resource in found if not resource.shredded_at and self._may(caller, resource)]
            grant.facts["resources"] = len(allowed)
        places = asyncio.Semaphore(_AT_A_TIME)

        async def rotate(resource: Resource) -> Rotated:
            async with places:
                return await self._rotate_if_due(caller, resource, older_than)

        done = await asyncio.gather(*map(rotate, allowed))
        return done, found[-1].name if len(found) == limit else None

    def _may(self, caller: Caller, resource: Resource) -> bool:
        return self._guard.ask(caller, "gateway:RotateKey", str(resource.name), about=resource).decision.allowed

    async def _rotate_if_due(self, caller: Caller, resource: Resource, older_than: timedelta) -> Rotated:
        try:
            state = await self._lifecycle.describe(resource.id)
            if state is None or not (self._is_due(state, older_than) or _lags(state)):
                return Rotated(resource.name, state.kek.newest if state else 0)
            async with self._guard.changing(caller, "gateway:RotateKey", str(resource.name), about=resource) as grant:
                due = self._is_due(state, older_than)
                if due:
                    version, rewrapped = await self._lifecycle.rotate(resource.id)
                else:  # a rotation was cut off after its first step
                    version, rewrapped = state.kek.newest, await self._lifecycle.rewrap(state)
                grant.facts |= {"kek_version": version, "rewrapped": rewrapped}
                return Rotated(resource.name, version, rewrapped, due)
        except Shredded:
            return Rotated(resource.name)
        except GatewayError as error:
            return Rotated(resource.name, failure=error)

    def _is_due(self, state: KeyState, older_than: timedelta) -> bool:
        return self._clock() - state.kek.made_at[state.kek.newest] >= older_than


def _lags(state: KeyState) -> bool:
    return any(row.kek_version < state.kek.newest for row in state.rows)
