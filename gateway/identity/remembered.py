"""Remembers tokens that were verified, by their SHA-256, so that the next call costs a hash and a look at the clock."""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.model import Principal

MAX_REMEMBERED = 10_000
REMEMBERED_FOR = timedelta(minutes=5)
"""A key that was withdrawn stops verifying within this time and the key cache's `max_age`."""


@dataclass(frozen=True, slots=True)
class _Entry:
    principal: Principal
    until: datetime


class Remembered:
    """Who verified tokens speak of. Nothing is remembered past its expiry, and no token is kept."""

    def __init__(self, size: int = MAX_REMEMBERED) -> None:
        self._size = size
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, token: str, *, now: datetime) -> Principal | None:
        """Return who the token speaks of, if it was verified of late and still holds."""
        found = self._entries.get(_digest(token))
        return found.principal if found is not None and now < found.until else None

    def keep(self, token: str, principal: Principal, *, now: datetime) -> None:
        """Remember a token that was just verified; the oldest goes where there are too many."""
        digest = _digest(token)
        self._entries[digest] = _Entry(principal, min(now + REMEMBERED_FOR, principal.expires_at or now))
        self._entries.move_to_end(digest)
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()
