"""Data keys in the clear, in memory: few, for a short while, and overwritten when they leave."""

from collections import OrderedDict, deque
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.clock import Clock
from gateway.keys.memory import KeyMemory

Slot = tuple[str, int]
"""Resource id and epoch."""


@dataclass(frozen=True, slots=True)
class _Entry:
    expires_at: datetime
    place: int


class KeyCache:
    """Holds up to `capacity` keys for `lifetime` each; the one unused for longest gives way.

    The lifetime bounds how long a shredded key, or one that Vault has since refused us, can still be used here.
    Overwriting is a best effort: a caller's copy is an immutable `bytes` of its own and goes when Python frees it.
    """

    def __init__(self, clock: Clock, *, capacity: int, lifetime: timedelta) -> None:
        self._clock = clock
        self._lifetime = lifetime
        self._memory = KeyMemory(capacity)
        self._free = deque(range(capacity))
        self._entries: OrderedDict[Slot, _Entry] = OrderedDict()
        self.found = self.missed = 0
        """How often a key was asked for that was here, or was not."""

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, slot: Slot) -> bytes | None:
        """Return a copy of the key, if it is here and its time is not over."""
        entry = self._entries.get(slot)
        if entry is None or entry.expires_at <= self._clock():
            self.missed += 1
            self.drop(slot)
            return None
        self.found += 1
        self._entries.move_to_end(slot)
        # A copy, so that wiping ours can never change a key that somebody is encrypting with.
        return self._memory.read(entry.place)

    def put(self, slot: Slot, key: bytes) -> None:
        """Keep the key, whose time starts now.

        Raises:
            ValueError: it is not 32 bytes long.
        """
        self.drop(slot)
        self.drop_expired()
        if not self._free:
            self.drop(next(iter(self._entries)))
        self._memory.write(self._free[0], key)
        self._entries[slot] = _Entry(self._clock() + self._lifetime, self._free.popleft())

    def drop(self, slot: Slot) -> None:
        """Forget the key and overwrite it."""
        entry = self._entries.pop(slot, None)
        if entry is not None:
            self._memory.wipe(entry.place)
            self._free.append(entry.place)

    def drop_expired(self) -> None:
        """Forget the keys whose time is over, and overwrite them."""
        now = self._clock()
        for slot in [slot for slot, entry in self._entries.items() if entry.expires_at <= now]:
            self.drop(slot)

    def clear(self) -> None:
        """Forget every key, and overwrite it."""
        for slot in list(self._entries):
            self.drop(slot)
