"""Data keys in the clear, in memory: few, for a short while, and overwritten when they leave."""

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.clock import Clock

Slot = tuple[str, int]
"""Resource id and epoch."""


@dataclass(slots=True)
class _Entry:
    expires_at: datetime
    key: bytearray = field(repr=False)

    def wipe(self) -> None:
        self.key[:] = bytes(len(self.key))


class KeyCache:
    """Holds up to `capacity` keys for `lifetime` each; the one unused for longest gives way.

    The lifetime bounds how long a shredded key, or one that Vault has since refused us, can still be used here.
    Overwriting is a best effort: a caller's copy is an immutable `bytes` of its own and goes when Python frees it.
    """

    def __init__(self, clock: Clock, *, capacity: int, lifetime: timedelta) -> None:
        self._clock = clock
        self._capacity = capacity
        self._lifetime = lifetime
        self._entries: OrderedDict[Slot, _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, slot: Slot) -> bytes | None:
        """Return a copy of the key, if it is here and its time is not over."""
        entry = self._entries.get(slot)
        if entry is None:
            return None
        if entry.expires_at <= self._clock():
            self.drop(slot)
            return None
        self._entries.move_to_end(slot)
        # A copy, so that wiping ours can never change a key that somebody is encrypting with.
        return bytes(entry.key)

    def put(self, slot: Slot, key: bytes) -> None:
        """Keep the key, whose time starts now, and overwrite those whose time is over."""
        self._drop_expired()
        self.drop(slot)
        self._entries[slot] = _Entry(self._clock() + self._lifetime, bytearray(key))
        while len(self._entries) > self._capacity:
            self.drop(next(iter(self._entries)))

    def drop(self, slot: Slot) -> None:
        """Forget the key and overwrite it."""
        entry = self._entries.pop(slot, None)
        if entry is not None:
            entry.wipe()

    def clear(self) -> None:
        """Forget every key."""
        for slot in list(self._entries):
            self.drop(slot)

    def _drop_expired(self) -> None:
        now = self._clock()
        for slot in [slot for slot, entry in self._entries.items() if entry.expires_at <= now]:
            self.drop(slot)
