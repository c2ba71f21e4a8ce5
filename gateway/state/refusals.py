"""Remembers what was refused for good, here and by other instances, so that trying again costs the database nothing."""

from collections import OrderedDict
from datetime import UTC, datetime

from gateway.clock import Clock
from gateway.ports import LinkUses, UsedProofs
from gateway.state.announcements import Announcements

CAPACITY = 65_536
"""Refusals kept; whoever is refused chooses how often, and must not fill the memory with it."""
_TOPIC = "refused"
_MAX_KEY_CHARS = 100


class Refusals:
    """What would be refused again until a moment. It may forget, never make up: the database decides all else.

    Args:
        clock: Tells which of them are over.
        announcements: How other instances hear of them, if they can.
    """

    def __init__(self, clock: Clock, announcements: Announcements | None = None) -> None:
        self._clock = clock
        self._announcements = announcements
        self._until: OrderedDict[str, datetime] = OrderedDict()
        if announcements is not None:
            announcements.listen(_TOPIC, self._hear)

    def holds(self, key: str) -> bool:
        """Tell whether it was refused, and would be again."""
        until = self._until.get(key)
        return until is not None and until > self._clock()

    def add(self, key: str, *, until: datetime) -> None:
        """Remember it until then, and tell the others."""
        self._remember(key, until)
        if self._announcements is not None:
            self._announcements.tell(_TOPIC, f"{until.timestamp():.0f} {key}")

    def _remember(self, key: str, until: datetime) -> None:
        self._until[key] = until
        if len(self._until) > CAPACITY:
            self._until.popitem(last=False)

    def _hear(self, text: str) -> None:
        seconds, _, key = text.partition(" ")
        if seconds.isdecimal() and len(seconds) <= len("9999999999") and 0 < len(key) <= _MAX_KEY_CHARS:
            self._remember(key, datetime.fromtimestamp(int(seconds), UTC))


class RememberedLinkUses:
    """A `gateway.ports.LinkUses` that asks for a link that is used up no more."""

    def __init__(self, uses: LinkUses, refusals: Refusals) -> None:
        self._uses = uses
        self._refusals = refusals

    async def take(self, link_id: str, *, limit: int, expires_at: datetime) -> bool:
        """Take one use, and tell whether there was one left."""
        key = f"link {link_id}"
        if self._refusals.holds(key):
            return False
        taken = await self._uses.take(link_id, limit=limit, expires_at=expires_at)
        if not taken:
            self._refusals.add(key, until=expires_at)
        return taken


class RememberedProofs:
    """A `gateway.ports.UsedProofs` that asks for a proof that was shown twice no more."""

    def __init__(self, proofs: UsedProofs, refusals: Refusals) -> None:
        self._proofs = proofs
        self._refusals = refusals

    async def take(self, proof: str, *, until: datetime) -> bool:
        """Remember the proof, and tell whether it is new."""
        key = f"proof {proof}"
        if self._refusals.holds(key):
            return False
        taken = await self._proofs.take(proof, until=until)
        if not taken:
            self._refusals.add(key, until=until)
        return taken
