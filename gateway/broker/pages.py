"""Manifest pages at rest: sealed in the envelope format under the resource's own keys, content-addressed."""

import hashlib
from collections.abc import Callable

from gateway import envelope
from gateway.broker.layout import page_key_in_bucket
from gateway.catalog.packing import pack, unpack
from gateway.errors import ContentMismatch, IntegrityError, NotFound
from gateway.keys.datakeys import DataKeys
from gateway.keys.derive import object_key
from gateway.ports import ObjectStore, PageStore

LOST_HINT = "What was published should be there. Whoever runs the gateway may find it in a backup of the bucket."
_EPOCH_BYTES = 4


class SealedPages:
    """A resource's pages in S3: the epoch (4 bytes, big-endian), then the page, packed and sealed."""

    def __init__(self, objects: ObjectStore, keys: DataKeys, resource_id: str) -> None:
        self._objects = objects
        self._keys = keys
        self._resource_id = resource_id

    async def get(self, digest: str) -> bytes:
        """Return the page of this hex SHA-256.

        Raises:
            IntegrityError: it is gone, was altered, or is another page.
        """
        try:
            stored = await self._objects.get(page_key_in_bucket(self._resource_id, digest))
            # The epoch stands before the seal: an altered one names no key, or one that does not open it.
            data_key = await self._keys.data_key(self._resource_id, int.from_bytes(stored[:_EPOCH_BYTES]))
        except NotFound as error:
            raise IntegrityError(
                f"Manifest page {digest} of resource {self._resource_id} cannot be opened: it, or its key, is gone.",
                hint=LOST_HINT,
            ) from error
        page = unpack(envelope.open_sealed(self._page_key(data_key, digest), stored[_EPOCH_BYTES:]))
        if hashlib.sha256(page).hexdigest() != digest:
            raise ContentMismatch(f"Manifest page {digest} of resource {self._resource_id} has other content.")
        return page

    async def put(self, page: bytes) -> str:
        """Store the page unless it is there, and return its hex SHA-256."""
        digest = hashlib.sha256(page).hexdigest()
        key = page_key_in_bucket(self._resource_id, digest)
        if not await self._objects.exists(key):
            epoch, data_key = await self._keys.current(self._resource_id)
            sealed = envelope.seal(self._page_key(data_key, digest), pack(page))
            await self._objects.put(key, epoch.to_bytes(_EPOCH_BYTES) + sealed)
        return digest

    def _page_key(self, data_key: bytes, digest: str) -> bytes:
        return object_key(data_key, resource_id=self._resource_id, object_id=f"page/{digest}")


PagesOf = Callable[[str], PageStore]
"""Returns the page store of a resource, by its id."""
