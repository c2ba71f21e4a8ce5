"""The life of a resource's keys: versions of its KEK come and go, epochs of its data key come, and all end together.

No object is touched here, and no data key is opened; a new one has encrypted nothing yet.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from gateway.clock import Clock
from gateway.errors import IntegrityError, Shredded, StillNeeded
from gateway.keys.datakeys import FIRST_EPOCH, kek_name
from gateway.ports import Kek, KekDestroyer, KeyVault, WrappedKey, WrappedKeyStore

SETTLE = timedelta(seconds=30)
"""How long a data key that an older version of the KEK has wrapped may be on its way to its row: twice our patience."""


@dataclass(frozen=True, slots=True)
class KeyState:
    """A resource's KEK and what hangs on it."""

    kek: Kek
    rows: Sequence[WrappedKey]

    @property
    def newest_epoch(self) -> int:
        """The epoch that new objects are encrypted under; 0 before the first push."""
        return max((row.epoch for row in self.rows), default=0)


class Lifecycle:
    """What is done to keys, as opposed to with them."""

    def __init__(self, vault: KeyVault, store: WrappedKeyStore, clock: Clock) -> None:
        self._vault = vault
        self._store = store
        self._clock = clock

    async def describe(self, resource_id: str) -> KeyState | None:
        """Return the state of the resource's keys; none before the first push.

        Raises:
            Shredded: they were destroyed.
            VaultUnavailable: Vault is away, sealed, or refuses us.
        """
        rows = await self._rows(resource_id)
        kek = await self._vault.describe_kek(kek_name(resource_id))
        return KeyState(kek, rows) if kek else None

    async def rotate(self, resource_id: str) -> tuple[int, int]:
        """Rotate the KEK and rewrap every epoch's key; return the KEK's version and how many keys were rewrapped.

        Raises:
            Shredded: the keys were destroyed.
            VaultUnavailable: Vault is away, sealed, or refuses us. Safe to call again.
        """
        rows = await self._rows(resource_id)
        kek = kek_name(resource_id)
        await self._vault.create_kek(kek)
        version = await self._vault.rotate_kek(kek)
        rewrapped = [await self._rewrap(row) for row in rows]
        return version, sum(rewrapped)

    async def rewrap(self, state: KeyState) -> int:
        """Bring the data keys that an older version wraps to the newest one; return how many there were."""
        behind = [row for row in state.rows if row.kek_version < state.kek.newest]
        return sum([await self._rewrap(row) for row in behind])

    async def new_epoch(self, resource_id: str) -> int:
        """Make a new data key, which new objects are encrypted under from now on; return its epoch.

        Raises:
            Shredded: the keys were destroyed.
            VaultUnavailable: Vault is away, sealed, or refuses us.
        """
        rows = await self._rows(resource_id)
        epoch = max((row.epoch for row in rows), default=FIRST_EPOCH - 1) + 1
        kek = kek_name(resource_id)
        await self._vault.create_kek(kek)
        new = await self._vault.new_data_key(kek)
        added = await self._store.add(WrappedKey(resource_id, epoch, new.wrapped, self._clock()))
        return added.epoch  # another instance's, if it was first: either is new

    async def retire(self, resource_id: str) -> int:
        """Let only the KEK's newest version unwrap from now on, and return it.

        Raises:
            StillNeeded: a data key hangs on an older version, or may be on its way; nothing has changed.
            Shredded: the keys were destroyed.
            IntegrityError: there is no KEK.
            VaultUnavailable: Vault is away, sealed, or refuses us.
        """
        state = await self._require(resource_id)
        newest, kek = state.kek.newest, kek_name(resource_id)
        left = state.kek.made_at[newest] + SETTLE - self._clock()
        if newest > 1 and left > timedelta(0):
            raise StillNeeded(
                f"Version {newest} of the key is new: a data key under an older one may still be on its way.",
                hint=f"Try again in {left.total_seconds():.0f} s.",
            )
        _require_unneeded(state)
        await self._vault.retire_kek(kek, before=newest)
        try:
            _require_unneeded(await self._require(resource_id))
        except StillNeeded:
            await self._vault.retire_kek(kek, before=state.kek.oldest)
            raise
        return newest

    async def destroy(self, resource_id: str, destroyer: KekDestroyer) -> int:
        """Destroy the KEK and empty the rows that it wraps; return how many there were. Safe to call again.

        Raises:
            VaultUnavailable: Vault is away, sealed, or refuses the destroyer's login.
        """
        # The rows first: an empty one keeps its place, so that nobody makes a new key under the old name meanwhile.
        emptied = await self._store.destroy(resource_id)
        await destroyer.destroy_kek(kek_name(resource_id))
        return emptied

    async def _require(self, resource_id: str) -> KeyState:
        state = await self.describe(resource_id)
        if state is None:
            raise IntegrityError(f"Vault has no key {kek_name(resource_id)}.", hint="Nothing was pushed yet.")
        return state

    async def _rows(self, resource_id: str) -> Sequence[WrappedKey]:
        rows = await self._store.all(resource_id)
        if any(not row.wrapped for row in rows):
            raise Shredded(f"The keys of resource {resource_id} were destroyed.")
        return rows

    async def _rewrap(self, row: WrappedKey) -> bool:
        """Swap the row's text for one of the newest KEK version; tell whether the row still has one."""
        current: WrappedKey | None = row
        while current is not None and current.wrapped:
            rewrapped = await self._vault.rewrap(kek_name(current.resource_id), current.wrapped)
            if await self._store.replace(current, rewrapped=rewrapped):
                return True
            # A rotation beside ours swapped it first, perhaps to an older version: look again.
            current = await self._store.find(row.resource_id, row.epoch)
        return False


def _require_unneeded(state: KeyState) -> None:
    behind = [row for row in state.rows if row.kek_version < state.kek.newest]
    if behind:
        named = ", ".join(f"{row.epoch} (version {row.kek_version})" for row in behind[:10])
        raise StillNeeded(
            f"Data keys of epochs {named} are not wrapped by version {state.kek.newest} of the key.",
            hint="'gateway keys rotate' wraps them anew.",
        )
