"""The keys of stream links as this instance holds them: a new one opens links at once, and seals them when all know it.

The keys are rows of wrapped secrets, an epoch each. A row that is gone opens nothing any more.
"""

from collections.abc import Sequence
from datetime import timedelta

import anyio

from gateway.clock import Clock
from gateway.keys.datakeys import LINKS, DataKeys
from gateway.links.stream import LinkKey, StreamLinks
from gateway.model import Holding, Secret
from gateway.ports import WrappedKey, WrappedKeyStore


class LinkKeys:
    """A source of `StreamLinks` (`gateway.broker.links.StreamLinksSource`).

    Args:
        keys: Opens the wrapped secrets, and makes the first.
        store: Has their rows.
        clock: The time.
        base_url: How clients reach the gateway.
        settle: How long a new key opens links before it seals them.
    """

    def __init__(
        self, keys: DataKeys, store: WrappedKeyStore, clock: Clock, *, base_url: str, settle: timedelta
    ) -> None:
        self._keys = keys
        self._store = store
        self._clock = clock
        self._base_url = base_url
        self._settle = settle
        self._lock = anyio.Lock()
        self._ring: dict[int, LinkKey] = {}
        self._sealing = 0
        self._links: StreamLinks | None = None

    async def __call__(self) -> StreamLinks:
        """Return what issues and opens links.

        Raises:
            VaultUnavailable: Vault is away, sealed, or refuses us, and there is no key yet.
        """
        return self._links or await self._renew()

    async def holding(self) -> Holding:
        """Take up new keys, drop those that are gone, and return what is held: the epochs of the keys.

        Raises:
            VaultUnavailable: a new key cannot be opened now; those at hand stay.
            StateUnavailable: the database is away; the same.
        """
        await self._renew()
        accepted = tuple(str(epoch) for epoch in sorted(self._ring))
        return Holding(Secret.LINK_KEY, uses=str(self._sealing), accepts=accepted)

    async def _renew(self) -> StreamLinks:
        async with self._lock:
            rows = await self._store.all(LINKS)
            if not rows:
                await self._keys.current(LINKS)  # makes the first
                rows = await self._store.all(LINKS)
            ring = {row.epoch: self._ring.get(row.epoch) or await self._open(row) for row in rows}
            sealing = self._choose(rows)
            if self._links is None or (ring.keys(), sealing) != (self._ring.keys(), self._sealing):
                others = [key for epoch, key in ring.items() if epoch != sealing]
                self._links = StreamLinks([ring[sealing], *others], base_url=self._base_url, clock=self._clock)
                self._ring, self._sealing = ring, sealing
            return self._links

    def _choose(self, rows: Sequence[WrappedKey]) -> int:
        """Return the epoch that seals: the newest that all instances know, or the oldest where none is settled."""
        known_by = self._clock() - self._settle
        settled = [row.epoch for row in rows if row.created_at <= known_by]
        return max(settled) if settled else min(row.epoch for row in rows)

    async def _open(self, row: WrappedKey) -> LinkKey:
        return LinkKey(await self._keys.data_key(LINKS, row.epoch))
