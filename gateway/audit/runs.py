"""The runs of gateways, as journals tell: from each opening to its closing, or the last word before a kill. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.audit.entry import read_time
from gateway.audit.record import Record, parse

_LIFECYCLE, _OPENED, _CLOSED = 6002, 3, 4
_MAY_OPEN = b'"event":{"activity_id":3,'
_HEAD_BYTES = 130
"""What stands before an event, and its first key: to look further would cost as much as to verify the record."""
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one instance."""

    instance: str
    first: int
    """The record that opens it."""
    start: datetime
    last: int
    """Its last record."""
    end: datetime
    """When that was."""
    closed: bool
    """Whether it ended in good order. Else it was killed, or goes on."""
    torn_bytes: int = 0
    """How many half-written bytes the next start cut off its end."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which nothing was running."""

    start: datetime
    end: datetime


class RunsOf:
    """Notes the runs of a journal while its lines pass by.

    Args:
        lines: The journal's lines.
    """

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = lines
        self._runs: list[Run] = []
        self._opened: Record | None = None
        self._last = b""

    def __iter__(self) -> Iterator[bytes]:
        """Yield the lines as they are; each is noted once the next one is asked for."""
        for line in self._lines:
            yield line
            if line.find(_MAY_OPEN, 0, _HEAD_BYTES) > 0:
                self._note(parse(line))
            self._last = line

    def runs(self) -> list[Run]:
        """Return the runs so far, the last of which may still go on."""
        return [*self._runs, *self._ended(torn_bytes=0)]

    def _note(self, record: Record | None) -> None:
        event = record.read_event() if record else {}
        if _is(event, _OPENED):
            self._runs += self._ended(torn_bytes=_torn_bytes(event))
            self._opened = record

    def _ended(self, *, torn_bytes: int) -> list[Run]:
        """Return the run that the last line ends, if there is one."""
        opened, last = self._opened, parse(self._last)
        if opened is None or last is None:
            return []
        event = last.read_event()
        return [
            Run(
                instance=_instance(opened),
                first=opened.seq,
                start=read_time(opened) or _NO_TIME,
                last=last.seq,
                end=read_time(last) or _NO_TIME,
                closed=_is(event, _CLOSED),
                torn_bytes=torn_bytes,
            )
        ]


def gaps(runs: Iterable[Run]) -> list[Gap]:
    """Return the times between runs, of whichever instances, in which none was running.

    >>> noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    >>> one, two = noon.replace(hour=14), noon.replace(hour=15)
    >>> [str(gap.start) for gap in gaps([Run("a", 1, noon, 9, one, True), Run("b", 1, two, 3, two, True)])]
    ['2026-03-01 14:00:00+00:00']
    """
    found = []
    until: datetime | None = None
    for run in sorted(runs, key=lambda one: one.start):
        if until is not None and run.start > until:
            found.append(Gap(until, run.start))
        until = max(until or run.end, run.end)
    return found


def _is(event: dict[str, object], activity: int) -> bool:
    return (event.get("class_uid"), event.get("activity_id")) == (_LIFECYCLE, activity)


def _instance(opened: Record) -> str:
    app = opened.read_event().get("app")
    return str(app.get("uid", "")) if isinstance(app, dict) else ""


def _torn_bytes(event: dict[str, object]) -> int:
    match event:
        case {"unmapped": {"torn": {"bytes": int(count)}}}:
            return count
    return 0
