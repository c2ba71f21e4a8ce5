"""Holds a transfer to a number of bytes a second, over all of its threads."""

import re
import threading
import time
from collections.abc import Callable

from gateway.errors import InvalidInput

_RATE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)([KMG]?)B?(?:/s)?", re.IGNORECASE)
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}
_BURST_SECONDS = 0.1
"""How much of the rate may go at once: little enough that a second never holds much more than its share."""


def parse_rate(text: str) -> int:
    """Return the bytes a second that a person means.

    >>> parse_rate("50M"), parse_rate("1.5G"), parse_rate("800000")
    (50000000, 1500000000, 800000)

    Raises:
        InvalidInput: it is no rate.
    """
    found = _RATE.fullmatch(text)
    rate = int(float(found[1]) * _UNITS[found[2].upper()]) if found else 0
    if rate < 1:
        raise InvalidInput(f"{text[:40]!r} is no rate.", hint="Write bytes a second, like 500K, 50M or 1.5G.")
    return rate


class Throttle:
    """Lets `rate` bytes a second through. Threads may share it.

    Whoever has moved bytes pays for them before the next ones: each thread waits until all that went before is paid.
    """

    def __init__(
        self,
        rate: int,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.piece_bytes = max(1, int(rate * _BURST_SECONDS))
        """As many bytes should be moved at a time at most."""
        self._rate = rate
        self._monotonic = monotonic
        self._sleep = sleep
        self._lock = threading.Lock()
        self._paid_until = monotonic()

    def pay(self, size: int) -> None:
        """Wait until these bytes are within the rate."""
        with self._lock:
            now = self._monotonic()
            self._paid_until = max(self._paid_until, now) + size / self._rate
            wait = self._paid_until - now
        if wait > _BURST_SECONDS:
            self._sleep(wait - _BURST_SECONDS)
