"""Data keys: made and unwrapped by Vault, stored only wrapped, opened once for many objects."""

import asyncio
from collections.abc import Coroutine, Iterable
from datetime import timedelta
from typing import Any

from gateway.clock import Clock
from gateway.errors import IntegrityError, NotFound, Shredded
from gateway.keys.cache import KeyCache, Slot
from gateway.keys.derive import KEY_BYTES
from gateway.ports import KeyVault, WrappedKey, WrappedKeyStore

FIRST_EPOCH = 1
_SWEEP_SECONDS = 1.0
LINKS = "links"
"""Takes the place of a resource id for the secret that signs stream links; its KEK is `gateway-links`."""


def kek_name(resource_id: str) -> str:
    """Return the name of a resource's KEK in Vault.

    >>> kek_name("9d1f")
    'gateway-9d1f'
    """
    return f"gateway-{resource_id}"


class DataKeys:
    """Hands out data keys. Many tasks may ask for the same key at once: Vault is asked once."""

    def __init__(
        self,
        vault: KeyVault,
        store: WrappedKeyStore,
        clock: Clock,
        *,
        lifetime: timedelta = timedelta(minutes=5),
        capacity: int = 1024,
    ) -> None:
        self._vault = vault
        self._store = store
        self._clock = clock
        self._cache = KeyCache(clock, capacity=capacity, lifetime=lifetime)
        self._opening: dict[Slot, asyncio.Task[bytes]] = {}

    def asked(self) -> dict[str, int]:
        """Return how often a key was asked for that was in memory, and how often one that was not."""
        return {"found": self._cache.found, "missed": self._cache.missed}

    async def current(self, resource_id: str) -> tuple[int, bytes]:
        """Return the newest epoch and its key, to encrypt with; makes the KEK and the first epoch if there is none.

        Raises:
            Shredded: the resource's keys were destroyed.
            VaultUnavailable: Vault is away, sealed, or refuses us.
            IntegrityError: the stored key does not open.
        """
        row = await self._store.newest(resource_id) or await self._create(resource_id)
        return row.epoch, await self._open(row)

    async def data_key(self, resource_id: str, epoch: int) -> bytes:
        """Return the key of one epoch, to decrypt with.

        Raises:
            NotFound: there is no such epoch.
            Shredded: it was destroyed.
            VaultUnavailable: Vault is away, sealed, or refuses us.
            IntegrityError: the stored key does not open.
        """
        cached = self._cache.get((resource_id, epoch))
        if cached is not None:
            return cached
        row = await self._store.find(resource_id, epoch)
        if row is None:
            raise NotFound(
                f"Data key {epoch} of resource {resource_id} does not exist.",
                hint="It was shredded, or this database is not the one that the objects were written with.",
            )
        return await self._open(row)

    def forget(self, resource_id: str, epochs: Iterable[int]) -> None:
        """Overwrite these keys in memory."""
        for epoch in epochs:
            self._cache.drop((resource_id, epoch))

    async def run(self) -> None:
        """Overwrite keys when their time is over, also when nobody asks for keys any more, until cancelled."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            self._cache.drop_expired()

    def close(self) -> None:
        """Overwrite every key in memory."""
        self._cache.clear()

    async def _create(self, resource_id: str) -> WrappedKey:
        kek = kek_name(resource_id)
        await self._vault.create_kek(kek)
        new = await self._vault.new_data_key(kek)
        mine = WrappedKey(resource_id, FIRST_EPOCH, new.wrapped, self._clock())
        row = await self._store.add(mine)
        if row.wrapped == mine.wrapped:
            self._cache.put((resource_id, FIRST_EPOCH), new.plaintext)
        return row  # another instance's, if it was first: ours is forgotten, having encrypted nothing

    async def _open(self, row: WrappedKey) -> bytes:
        if not row.wrapped:
            raise Shredded(f"Data key {row.epoch} of resource {row.resource_id} was destroyed.")
        slot = (row.resource_id, row.epoch)
        cached = self._cache.get(slot)
        return cached if cached is not None else await self._once(slot, self._unwrap(row))

    async def _once(self, slot: Slot, work: Coroutine[Any, Any, bytes]) -> bytes:
        """Join the work that is under way for this slot, or start ours."""
        task = self._opening.get(slot)
        if task is None:
            task = self._opening[slot] = asyncio.create_task(work)
            task.add_done_callback(lambda _: self._opening.pop(slot))
        else:
            work.close()
        # Shielded: a caller who goes away must not take the key from those who wait with them.
        return await asyncio.shield(task)

    async def _unwrap(self, row: WrappedKey) -> bytes:
        key = await self._vault.unwrap(kek_name(row.resource_id), row.wrapped)
        if len(key) != KEY_BYTES:
            raise IntegrityError(f"Data key {row.epoch} of resource {row.resource_id} is not {KEY_BYTES} bytes long.")
        self._cache.put((row.resource_id, row.epoch), key)
        return key


async def link_secret(keys: DataKeys) -> bytes:
    """Return the 32-byte secret that signs stream links: the same for every instance on one database.

    Raises:
        VaultUnavailable: Vault is away, sealed, or refuses us.
    """
    _, secret = await keys.current(LINKS)
    return secret
