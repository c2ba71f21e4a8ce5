"""Packs of manifest pages at rest: sealed in the envelope format under the resource's own keys."""

import hashlib
from collections.abc import Callable

from gateway import envelope
from gateway.broker.layout import pack_key_in_bucket
from gateway.catalog.cache import Pages
from gateway.catalog.packing import pack as compress
from gateway.catalog.packing import unpack
from gateway.errors import ContentMismatch, IntegrityError, NotFound
from gateway.keys.datakeys import DataKeys
from gateway.keys.derive import object_key
from gateway.ports import ObjectStore

LOST_HINT = "What was published should be there. Whoever runs the gateway may find it in a backup of the bucket."
_EPOCH_BYTES = 4


class SealedPacks:
    """A resource's packs in S3, `ports.PackStore`: the epoch (4 bytes, big-endian), then the pack, sealed."""

    def __init__(self, objects: ObjectStore, keys: DataKeys, resource_id: str) -> None:
        self._objects = objects
        self._keys = keys
        self._resource_id = resource_id

    async def get(self, pack: str) -> bytes:
        """Return the pack of this name.

        Raises:
            IntegrityError: it is gone, was altered, or is another pack.
        """
        try:
            stored = await self._objects.get(pack_key_in_bucket(self._resource_id, pack))
            # The epoch stands before the seal: an altered one names no key, or one that does not open it.
            data_key = await self._keys.data_key(self._resource_id, int.from_bytes(stored[:_EPOCH_BYTES]))
        except NotFound as error:
            raise IntegrityError(
                f"Manifest pages {pack} of {self._resource_id} cannot be opened: they, or their key, are gone.",
                hint=LOST_HINT,
            ) from error
        content = unpack(envelope.open_sealed(self._pack_key(data_key, pack), stored[_EPOCH_BYTES:]))
        if hashlib.sha256(content).hexdigest() != pack.rpartition("/")[2]:
            raise ContentMismatch(f"Manifest pages {pack} of resource {self._resource_id} have other content.")
        return content

    async def put(self, pack: str, content: bytes) -> None:
        """Store the pack. Whoever repeats a commit stores the same under the same name."""
        epoch, data_key = await self._keys.current(self._resource_id)
        sealed = envelope.seal(self._pack_key(data_key, pack), compress(content))
        await self._objects.put(pack_key_in_bucket(self._resource_id, pack), epoch.to_bytes(_EPOCH_BYTES) + sealed)

    def _pack_key(self, data_key: bytes, pack: str) -> bytes:
        return object_key(data_key, resource_id=self._resource_id, object_id=f"pack/{pack}")


def pack_epoch(stored: bytes) -> int:
    """Return which data key a pack is sealed under, by what stands before the seal."""
    return int.from_bytes(stored[:_EPOCH_BYTES])


PagesOf = Callable[[str], Pages]
"""Returns the pages of a resource, by its id."""
