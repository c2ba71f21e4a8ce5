"""Rotates a resource's KEK: its wrapped keys are wrapped anew, its data stays as it is."""

from gateway.broker.access import Caller, Guard
from gateway.broker.resolve import known
from gateway.keys.datakeys import DataKeys
from gateway.model import ResourceName
from gateway.ports import CatalogStore


class Rotate:
    """The key use cases."""

    def __init__(self, guard: Guard, store: CatalogStore, keys: DataKeys) -> None:
        self._guard = guard
        self._store = store
        self._keys = keys

    async def rotate(self, caller: Caller, name: ResourceName) -> tuple[int, int]:
        """Add a version to the resource's KEK; return its number and how many data keys were wrapped anew."""
        found = await self._store.find_resource(name)
        async with self._guard.changing(caller, "gateway:RotateKey", str(name), about=found) as grant:
            resource = known(found, name)
            kek_version, rewrapped = await self._keys.rotate(resource.id)
            grant.facts |= {"kek_version": kek_version, "rewrapped": rewrapped}
            return kek_version, rewrapped
