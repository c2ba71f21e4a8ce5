"""The key of stream links: a wrapped secret in the database, an epoch for each that was ever made."""

from datetime import timedelta

from gateway.clock import Clock
from gateway.errors import SecretStillGood
from gateway.keys.datakeys import LINKS, kek_name
from gateway.model import Secret
from gateway.ports import KeyVault, WrappedKey
from gateway.rotation.book import Book
from gateway.rotation.probes import Probes, expired_link
from gateway.rotation.steps import NEW, OLD, Facts, Kind, Present
from gateway.state.keys import SqlWrappedKeys


class LinkKeyRotation(Kind):
    """Seals stream links.

    Args:
        vault: Makes and wraps secrets, as the gateway does.
        store: Has their rows, which instances follow.
        book: Keeps what the old one sealed, to try it in the end.
        probes: Instances to ask.
        clock: The time.
        overlap: How long links live.
    """

    secret = Secret.LINK_KEY

    def __init__(  # noqa: PLR0913  # its parts
        self, vault: KeyVault, store: SqlWrappedKeys, book: Book, probes: Probes, clock: Clock, *, overlap: timedelta
    ) -> None:
        self._vault = vault
        self._store = store
        self._book = book
        self._probes = probes
        self._clock = clock
        self.overlap = overlap

    async def look(self) -> Present | None:
        """Return the newest epoch."""
        newest = await self._store.newest(LINKS)
        return Present(str(newest.epoch), newest.created_at) if newest else None

    async def make(self, facts: Facts) -> Facts:
        """Add an epoch, which opens links at once, and seals them when every instance knows it."""
        old = int(facts[OLD])
        if not await self._book.pending(self.secret):
            await self._book.keep(self.secret, {OLD: await self._probe(old)})
        row = await self._store.newest(LINKS)
        if row is None or row.epoch == old:
            made = await self._vault.new_data_key(kek_name(LINKS))
            row = await self._store.add(WrappedKey(LINKS, old + 1, made.wrapped, self._clock()))
        return {NEW: str(row.epoch)}

    async def verify(self, facts: Facts) -> None:
        """See that every instance opens what the new key seals."""
        await self._probes.expect_link(await self._probe(int(facts[NEW])), known=True)

    async def revoke(self, facts: Facts) -> None:
        """Forget the rows before the new one: nobody can unwrap what is not there."""
        await self._store.remove(LINKS, before=int(facts[NEW]))

    async def prove(self, facts: Facts) -> None:
        """Look for the old row, and show instances what it sealed."""
        if await self._store.find(LINKS, int(facts[OLD])):
            raise SecretStillGood(f"The link key of epoch {facts[OLD]} is still in the database.")
        await self._probes.expect_link((await self._book.pending(self.secret))[OLD], known=False)

    async def _probe(self, epoch: int) -> str:
        row = await self._store.find(LINKS, epoch)
        if row is None:
            raise SecretStillGood(f"The link key of epoch {epoch} went while it was replaced.")
        return expired_link(await self._vault.unwrap(kek_name(LINKS), row.wrapped))
