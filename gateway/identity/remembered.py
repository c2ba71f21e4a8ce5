"""Remembers tokens that were verified, by their SHA-256, so that the next call costs a hash and a look at the clock."""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.identity.revoked import login_marks
from gateway.model import Mark, Principal

MAX_REMEMBERED = 10_000
REMEMBERED_FOR = timedelta(minutes=5)
"""A key that was withdrawn stops verifying within this time and the key cache's `max_age`."""


@dataclass(frozen=True, slots=True)
class Known:
    """Who a token speaks of, and what its login hangs on."""

    principal: Principal
    marks: tuple[Mark, ...]
    until: datetime


class Remembered:
    """Verified tokens. Nothing is remembered past its expiry, and no token is kept."""

    def __init__(self, size: int = MAX_REMEMBERED) -> None:
        self._size = size
        self._entries: OrderedDict[bytes, Known] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, token: str, *, now: datetime) -> Known | None:
        """Return who the token speaks of, if it was verified of late and still holds."""
        found = self._entries.get(_digest(token))
        return found if found is not None and now < found.until else None

    def keep(self, token: str, principal: Principal, *, now: datetime) -> Known:
        """Remember a token that was just verified; the oldest goes where there are too many."""
        digest = _digest(token)
        known = Known(principal, login_marks(principal), min(now + REMEMBERED_FOR, principal.expires_at or now))
        self._entries[digest] = known
        self._entries.move_to_end(digest)
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)
        return known


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()
