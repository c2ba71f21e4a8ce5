"""The key-encrypting keys of all datasets and models: each gets a new version, and the old ones unwrap nothing more."""

from datetime import datetime

from gateway.clock import Clock
from gateway.errors import IntegrityError, SecretStillGood, Shredded
from gateway.keys.datakeys import kek_name
from gateway.keys.lifecycle import SETTLE, Lifecycle
from gateway.model import Secret
from gateway.ports import KeyVault, WrappedKey
from gateway.rotation.book import Book
from gateway.rotation.steps import NEW, OLD, Facts, Kind, Present
from gateway.state.keys import SqlWrappedKeys

_KEK, _WRAPPED = "kek", "wrapped"


class Keks(Kind):
    """All of them at once. Which are done is asked of Vault and the database, so a run that was killed repeats nothing.

    Args:
        vault: Vault, as the gateway sees it.
        store: The wrapped data keys.
        book: Keeps a key that an old version wrapped, to try it in the end.
        clock: The time.
    """

    secret = Secret.KEKS
    is_held = False
    overlap = SETTLE
    """As long as a data key that an old version wrapped may be on its way to its row."""

    def __init__(self, vault: KeyVault, store: SqlWrappedKeys, book: Book, clock: Clock) -> None:
        self._vault = vault
        self._store = store
        self._book = book
        self._clock = clock
        self._keys = Lifecycle(vault, store, clock)

    async def look(self) -> Present | None:
        """Return when we look: what is older is rotated. A KEK is as old as its first data key, if it never was."""
        oldest = await self._store.oldest()
        return Present(self._clock().isoformat(), oldest) if oldest else None

    async def make(self, facts: Facts) -> Facts:
        """Rotate each KEK that is older than this rotation, and wrap its data keys anew."""
        begun = datetime.fromisoformat(facts[OLD])
        for resource_id in await self._store.resource_ids():
            await self._keep_one(resource_id)
            await self._rotate(resource_id, begun)
        return {NEW: self._clock().isoformat()}

    async def verify(self, facts: Facts) -> None:
        """See that every data key is wrapped by the newest version: who wraps anew has opened it."""
        for resource_id in await self._store.resource_ids():
            await self._rotate(resource_id, datetime.fromisoformat(facts[OLD]))

    async def revoke(self, facts: Facts) -> None:
        """Let the newest version of each KEK alone unwrap."""
        for resource_id in await self._store.resource_ids():
            try:
                await self._keys.retire(resource_id)
            except Shredded:
                continue

    async def prove(self, facts: Facts) -> None:
        """Have Vault open what an old version wrapped, which it must not."""
        kept = await self._book.pending(self.secret)
        if not kept:
            return
        try:
            await self._vault.unwrap(kept[_KEK], kept[_WRAPPED])
        except IntegrityError:
            return
        raise SecretStillGood(f"An old version of {kept[_KEK]} still unwraps.")

    async def _rotate(self, resource_id: str, begun: datetime) -> None:
        try:
            state = await self._keys.describe(resource_id)
        except Shredded:
            return
        if state is None:
            return
        newest = state.kek.newest
        if state.kek.made_at[newest] < begun or any(row.kek_version < newest for row in state.rows):
            await self._keys.rotate(resource_id)

    async def _keep_one(self, resource_id: str) -> None:
        if await self._book.pending(self.secret):
            return
        rows: list[WrappedKey] = [row for row in await self._store.all(resource_id) if row.wrapped]
        if rows:
            await self._book.keep(self.secret, {_KEK: kek_name(resource_id), _WRAPPED: rows[0].wrapped})
