"""Runs the rules over the journal, as one of its sinks: no request waits for it, and it catches up after a restart.

Findings are appended to the journal before what was seen is noted. A kill in between tells again, under the same ids.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from anyio import to_thread

from gateway.audit.detection.finding import finding
from gateway.audit.detection.memory import Memory
from gateway.audit.detection.rules import Alert, Rule, rules_of
from gateway.audit.detection.seen import see
from gateway.audit.sinks.cursor import Cursor
from gateway.audit.sinks.delivery import Delivery
from gateway.audit.sinks.fleet import DETECTION, Outside
from gateway.audit.sinks.target import Batch
from gateway.clock import Clock
from gateway.errors import SinkUnavailable
from gateway.settings import DetectionSettings


class Findings(Protocol):
    """Where findings go."""

    async def append_all(self, events: Sequence[Mapping[str, object]]) -> Sequence[str]:
        """Return once they are on disk."""


class Detector:
    """A `gateway.audit.sinks.target.Target` that looks at events.

    Args:
        rules: What to look for.
        findings: The journal.
        file: Where rules remember.
        clock: The time of findings.

    Raises:
        SinkUnavailable: the file cannot be used.
    """

    def __init__(self, rules: Sequence[Rule], findings: Findings, file: Path, clock: Clock) -> None:
        self._rules = rules
        self._findings = findings
        self._clock = clock
        with _as_unavailable():
            self._memory = Memory(file)

    async def send(self, batch: Batch) -> None:
        """Look at the batch. What was looked at before is passed by, so that nothing counts twice.

        Raises:
            SinkUnavailable: the rules' memory cannot be used.
            JournalUnavailable: a finding was not recorded.
        """
        try:
            alerts = await to_thread.run_sync(self._look, batch)
            if alerts:
                await self._findings.append_all([finding(alert, at=self._clock()) for alert in alerts])
            await to_thread.run_sync(self._keep, batch.last)
        finally:
            self._memory.rollback()

    def _look(self, batch: Batch) -> list[Alert]:
        with _as_unavailable():
            after = self._memory.seq
            seen = [one for record in batch.records if record.seq > after and (one := see(record))]
            alerts = (
                rule.look(one, self._memory.note(rule.name, rule.of(one))) for one in seen for rule in self._rules
            )
            return [alert for alert in alerts if alert]

    def _keep(self, seq: int) -> None:
        with _as_unavailable():
            self._memory.commit(seq, self._clock())

    async def close(self) -> None:
        """Close the rules' memory."""
        self._memory.close()


def detection_of(settings: DetectionSettings, outside: Outside, findings: Findings) -> list[Delivery]:
    """Return the delivery to detection, if it is enabled.

    Raises:
        SinkUnavailable: its memory or its cursor cannot be read.
    """
    if not settings.enabled:
        return []
    detector = Detector(rules_of(settings), findings, outside.folder / f"{DETECTION}.sqlite", outside.clock)
    cursor = Cursor(outside.folder, DETECTION)
    return [Delivery(DETECTION, outside.journal, detector, cursor, clock=outside.clock)]


@contextmanager
def _as_unavailable() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        hint = "Remove the file to begin without history."
        raise SinkUnavailable(f"Detection's memory cannot be used ({type(error).__name__}).", hint=hint) from error
