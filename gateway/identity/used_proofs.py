"""Remembers proofs of possession in the memory of one instance: `ports.UsedProofs` where there is no other."""

from datetime import datetime

from gateway.clock import Clock

_SWEEP_EVERY = 1000


class MemoryUsedProofs:
    """Proofs that were shown to this process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[str, datetime] = {}
        self._taken = 0

    async def take(self, proof: str, *, until: datetime) -> bool:
        """Remember the proof, and tell whether it is new."""
        now = self._clock()
        self._taken += 1
        if self._taken % _SWEEP_EVERY == 0:
            self._until = {known: end for known, end in self._until.items() if end > now}
        new = self._until.get(proof, now) <= now
        if new:
            self._until[proof] = until
        return new
