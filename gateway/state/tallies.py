"""Counts requests by caller in windows of time, for rate limits: here at once, and of all instances soon after.

Counting never waits. Each instance tells Redis now and then what it counted, and hears what all counted together; while
Redis is away each counts by itself, and the limits are an instance's own.
"""

import asyncio
import hashlib
import logging
import random
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from gateway.clock import Clock

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = logging.getLogger(__name__)

CAPACITY = 100_000
"""Callers counted apart in one window. Those that come later in it are counted as one: refused sooner, never later."""
EVERY = timedelta(seconds=0.5)
"""How often instances tell each other."""
_AT_ONCE = 5_000
"""Callers of whom is told in one go, those with the most first."""
_PREFIX = "gateway:tally:1"

_MINE, _TOLD, _OTHERS = range(3)


class Tallies:
    """Counts of the present window.

    Args:
        clock: The time, by which instances agree on windows.
        window: How long one is.
        client: Redis, if there is one.
        worth_telling: From how many of a caller on the others are told: most never come near a limit.
        monotonic: Seconds that only grow.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        window: timedelta,
        client: "Redis | None" = None,
        worth_telling: int = 1,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self.seconds: Final = window.total_seconds()
        self._client = client
        self._worth_telling = worth_telling
        self._counts: dict[str, list[int]] = {}
        self._number = 0
        self._ends_at = float("-inf")
        self.connected = False
        """Whether we know what the others counted."""

    def count(self, key: str) -> int:
        """Count one more, and return how many there were in this window, as far as we know."""
        if self._monotonic() >= self._ends_at:
            self._begin()
        counts = self._counts
        count = counts.get(key)
        if count is None:
            count = counts.setdefault(key if len(counts) < CAPACITY else "", [0, 0, 0])
        count[_MINE] += 1
        return count[_MINE] + count[_OTHERS]

    def left_of_window(self) -> float:
        """Return the seconds until the next window begins."""
        return max(0.0, self._ends_at - self._monotonic())

    def _begin(self) -> None:
        now = self._clock().timestamp()
        self._number = int(now // self.seconds)
        # From here to its end by the clock that cannot be set back.
        self._ends_at = self._monotonic() + (self._number + 1) * self.seconds - now
        self._counts = {}

    async def run(self) -> None:
        """Tell and hear, until cancelled."""
        while self._client is not None:
            await asyncio.sleep(EVERY.total_seconds() * random.uniform(0.75, 1.25))  # noqa: S311  spreads load
            try:
                await self.share(self._client)
            except Exception as error:  # noqa: BLE001  whatever it is: without Redis we count alone
                if self.connected:
                    log.warning("Redis is away, and rate limits are each instance's own: %s", type(error).__name__)
                self.connected = False
            else:
                self.connected = True

    async def share(self, client: "Redis") -> None:
        """Tell what we counted, and hear what all counted, of the callers that are worth telling."""
        number, counts = self._number, self._counts
        told = [(count, key) for key, count in counts.items() if count[_MINE] >= self._worth_telling]
        told = sorted(told, key=lambda one: one[0][_MINE], reverse=True)[:_AT_ONCE]
        if not told:
            await client.ping()
            return
        async with client.pipeline(transaction=False) as pipeline:
            more = []
            for count, key in told:
                name = f"{_PREFIX}:{number}:{_digest(key)}"
                more.append(count[_MINE] - count[_TOLD])
                pipeline.incrby(name, more[-1])
                pipeline.expire(name, int(2 * self.seconds) + 1)
            totals = (await pipeline.execute())[::2]
        for (count, _), told_now, total in zip(told, more, totals, strict=True):
            count[_TOLD] += told_now
            count[_OTHERS] = max(0, int(total) - count[_TOLD])


def _digest(key: str) -> str:
    # Names and addresses are nobody's business who reads Redis, and may hold any character.
    return hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
