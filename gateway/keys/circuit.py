"""Leaves a part that failed again and again alone for a while, then tries it with a single call. Pure; waits for none.

Closed, it counts failures in a row. Open, it refuses every call until its rest is over. Then one call is let through,
and all others are refused until it is back: a part that has just come up is not met by everybody at once.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from gateway.clock import Clock

_THRESHOLD = 5
_FIRST_REST = timedelta(seconds=1)
_LONGEST_REST = timedelta(seconds=15)
_TRIAL_WAIT = timedelta(seconds=1)


class CircuitOpen(Exception):
    """The call was not made. `wait` is how long until it is worth asking again."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__(f"open for another {wait.total_seconds():.1f} s")
        self.wait = wait


class Circuit:
    """A circuit breaker, for calls of one event loop.

    Rests grow from one second to fifteen while trials fail, each by up to a half more at random, so that instances do
    not come back in step.

    Args:
        clock: the time.
        counts: the errors that say that the part is away; any other error is an answer.
        jitter: returns a number from 0 to 1.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        counts: type[Exception],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock
        self._counts = counts
        self._jitter = jitter
        self._failures = 0
        self._rest = _FIRST_REST
        self._rests_until: datetime | None = None
        self._on_trial = False

    @property
    def is_open(self) -> bool:
        """Whether calls are refused, or one is on trial."""
        return self._rests_until is not None

    @contextmanager
    def call(self) -> Iterator[None]:
        """Let one call through, and learn from how it ends.

        Raises:
            CircuitOpen: it may not be made now.
        """
        is_trial = self._admit()
        try:
            yield
        except self._counts:
            self._failed(is_trial=is_trial)
            raise
        except Exception:
            self._answered()
            raise
        else:
            self._answered()
        finally:
            # Also where the caller went away: that says nothing of the part, and the next call is the trial.
            if is_trial:
                self._on_trial = False

    def _admit(self) -> bool:
        if self._rests_until is None:
            return False
        wait = self._rests_until - self._clock()
        if wait > timedelta(0):
            raise CircuitOpen(wait)
        if self._on_trial:
            raise CircuitOpen(_TRIAL_WAIT)
        self._on_trial = True
        return True

    def _failed(self, *, is_trial: bool) -> None:
        if self.is_open and not is_trial:
            return  # it began before the circuit opened
        self._failures += 1
        if self._failures >= _THRESHOLD:
            self._rests_until = self._clock() + self._rest * (1 + self._jitter() / 2)
            self._rest = min(self._rest * 2, _LONGEST_REST)

    def _answered(self) -> None:
        self._failures = 0
        self._rest = _FIRST_REST
        self._rests_until = None
