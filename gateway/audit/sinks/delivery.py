"""Brings the journal's events to one target, at least once: reads behind the cursor, sends, moves the cursor.

A target that is away costs disk, since the journal keeps its events anyway; never memory, and no request waits for it.
"""

import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import anyio
from anyio import to_thread

from gateway.audit.entry import read_time
from gateway.audit.record import Record
from gateway.audit.sinks.cursor import Cursor
from gateway.audit.sinks.target import Batch, Target, batch_of
from gateway.clock import Clock
from gateway.errors import EventRefused, GatewayError, SinkUnavailable

log = logging.getLogger(__name__)

_NOW = timedelta(0)
_chance = secrets.SystemRandom().random


class Source(Protocol):
    """A journal to read from."""

    @property
    def instance(self) -> str:
        """Whose it is."""

    async def lines(self, *, after: int, limit: int) -> list[bytes]:
        """Return durable lines numbered above `after`; a negative one counts from the end."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How a sink is sent to."""

    batch: int = 500
    """The most events that are sent, and held in memory, at a time."""
    linger: timedelta = _NOW
    """How long an event may wait for a batch to fill."""
    patience: timedelta = timedelta(seconds=30)
    """How long a batch may take before it counts as lost."""
    poll: timedelta = timedelta(seconds=1)
    """How often to look for new events."""
    first_wait: timedelta = timedelta(milliseconds=500)
    longest_wait: timedelta = timedelta(minutes=1)
    """After failures in a row, waits double from the first to the longest; each is shortened at random, by up to a
    half, so that many instances do not come back at once."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a sink is doing."""

    name: str
    seq: int
    """The last record that was dealt with."""
    waiting: int
    """How many events it is behind."""
    lag_seconds: float
    """How long the oldest of them has been waiting."""
    dead: int
    """How many events it refused for good."""
    fault: str
    """Why it is not being sent to; empty if it is."""


class Delivery:
    """The way to one sink.

    Args:
        name: The sink's name.
        source: The journal.
        target: Where to.
        cursor: How far it has come.
        clock: The time, for the lag.
        pace: How fast.
        chance: Returns a number from 0 to 1, for the waits.
    """

    def __init__(  # noqa: PLR0913  # its parts, and the time
        self,
        name: str,
        source: Source,
        target: Target,
        cursor: Cursor,
        *,
        clock: Clock,
        pace: Pace | None = None,
        chance: Callable[[], float] = _chance,
    ) -> None:
        self.name = name
        self._source = source
        self._target = target
        self._cursor = cursor
        self._clock = clock
        self._pace = pace or Pace()
        self._chance = chance
        self._fault = ""
        self._failures = 0

    async def run(self) -> None:
        """Deliver until cancelled."""
        try:
            while True:
                try:
                    moved = await self.step()
                    wait = 0.0 if moved else self._pace.poll.total_seconds()
                except GatewayError as error:
                    wait = self._failed(error)
                except Exception as error:  # noqa: BLE001  # whatever a target does, it ends neither the sink nor us
                    wait = self._failed(SinkUnavailable(f"It failed unexpectedly: {type(error).__name__}."))
                await anyio.sleep(wait)
        finally:
            with anyio.CancelScope(shield=True):
                await self._target.close()

    async def step(self) -> bool:
        """Send one batch, if there is one, and tell whether there was.

        Raises:
            SinkUnavailable: it was not sent, or not all of it; the cursor says how much.
        """
        lines = await self._source.lines(after=self._cursor.place.seq, limit=self._pace.batch)
        if not lines:
            return False
        batch = batch_of(self._source.instance, lines)
        if len(lines) < self._pace.batch and self._age(batch.records[0]) < self._pace.linger:
            return False
        await self._send(batch)
        self._recovered()
        return True

    async def standing(self) -> Standing:
        """Return how the sink is doing. Raises `JournalUnavailable`."""
        place = self._cursor.place
        newest = _records(await self._source.lines(after=-1, limit=1))
        waiting = max(0, newest[0].seq - place.seq) if newest else 0
        oldest = _records(await self._source.lines(after=place.seq, limit=1)) if waiting else []
        lag = self._age(oldest[0]).total_seconds() if oldest else 0.0
        return Standing(self.name, place.seq, waiting, max(0.0, lag), place.dead, self._fault)

    async def _send(self, batch: Batch) -> None:
        """Send the batch; where an event of it is refused, find that one by halving, and send the others."""
        try:
            with anyio.fail_after(self._pace.patience.total_seconds()):
                await self._target.send(batch)
        except TimeoutError as error:
            raise SinkUnavailable(f"No answer in {self._pace.patience.total_seconds():g} s.") from error
        except EventRefused as refusal:
            if len(batch.records) > 1:
                for half in batch.halves():
                    await self._send(half)
                return
            log.warning("sink %s refused record %d for good: %s", self.name, batch.first, refusal.message)
            await to_thread.run_sync(self._cursor.bury, batch.records, refusal.message)
        else:
            await to_thread.run_sync(self._cursor.advance, batch.last)

    def _age(self, record: Record) -> timedelta:
        happened = read_time(record)
        return self._clock() - happened if happened else self._pace.linger

    def _failed(self, error: GatewayError) -> float:
        """Note why, once in the log however long it lasts, and return the seconds to wait."""
        if not self._fault:
            log.warning("sink %s is away, and its events wait in the journal: %s", self.name, error.message)
        self._fault = error.message
        longest = self._pace.longest_wait.total_seconds()
        wait = min(longest, self._pace.first_wait.total_seconds() * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return wait * (1 - self._chance() / 2)

    def _recovered(self) -> None:
        if self._fault:
            log.warning("sink %s is back after %d failures", self.name, self._failures)
        self._fault, self._failures = "", 0


def _records(lines: Sequence[bytes]) -> Sequence[Record]:
    return batch_of("", lines).records
