"""Answers questions by DuckDB, over archived Parquet files and what the journal has beyond them.

Every value is a parameter, the statement is one of a few, and the database can read nothing but the files that the
question is about: a name that looks like SQL finds what has that name.
"""

import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from threading import Timer
from typing import Any

import duckdb

from gateway.audit.parquet import ArchivedFile, newest_days
from gateway.audit.question import Found, Page, Question, bounds
from gateway.audit.segments import first_seq, list_segments
from gateway.audit.table import COLUMNS, archived_rows, connect, journal_rows
from gateway.errors import JournalUnavailable, TooLarge

Ask = Callable[[str, Mapping[str, object]], list[tuple[Any, ...]]]
"""Runs a statement with its parameters."""

_FIELDS = ("instance", *COLUMNS)
_NEWEST = 'ORDER BY "time" DESC, instance DESC, seq DESC LIMIT $limit'
_LONGEST_SECONDS = 30.0

_CONDITIONS = {
    "who": "(who = $who OR subject = $who)",
    "issuer": "issuer = $issuer",
    "resource": "(resource = $resource OR name = $resource OR starts_with(resource, $resource || '/'))",
    "version": '"version" = $version',
    "action": "action = $action",
    "origin": "origin = $origin",
    "request": "request = $request",
    "refused": "(decision = 'Denied' OR status = 'Failure')",
    "since": '"time" >= $since',
    "until": '"time" < $until',
    "after": '("time", instance, seq) < ($after_time, $after_instance, $after_seq)',
}

_WHO = ("who = $who", "subject = $who AND who <> $who")
"""The condition on `who`, in two that exclude each other."""


@dataclass(frozen=True, slots=True)
class JournalFiles:
    """The part of a journal that is not archived."""

    instance: str
    folder: Path
    after: int = 0
    """The last archived record."""

    @property
    def segments(self) -> list[Path]:
        """The segments that may have a record behind `after`."""
        segments = list_segments(self.folder)
        ends = [first_seq(segment) for segment in segments[1:]]
        begin = bisect_right(ends, self.after + 1)
        return segments[begin:]


@dataclass(frozen=True, slots=True)
class Archive:
    """What is archived, and how it is come by."""

    files: Sequence[ArchivedFile]
    fetch: Callable[[Sequence[ArchivedFile]], Sequence[Path]]
    """Returns where files are on this machine, once they are."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where events are looked for."""

    archive: Archive | None = None
    journals: Sequence[JournalFiles] = ()


def search(question: Question, sources: Sources, *, longest_seconds: float = _LONGEST_SECONDS) -> Page:
    """Return a page of the events that are asked for, newest first.

    Raises:
        TooLarge: it takes too long.
        JournalUnavailable: a file cannot be read.
    """
    where, given = _conditions(question)
    given["limit"] = wanted = question.limit + 1  # one more tells whether there is a next page
    ends = time.monotonic() + longest_seconds
    found = [one for journal in sources.journals for one in _in_journal(journal, where, given, ends)]
    found = _newest(found, wanted)
    for files in _newest_days(question, sources.archive):
        if len(found) == wanted and found[-1].at.date() > files[0].day:
            break  # whatever is left is older than what the page has
        paths = sources.archive.fetch(files) if sources.archive else ()
        found = _newest([*found, *_in_files(paths, where, given, ends)], wanted)
    return _page(found, question.limit)


def _newest_days(question: Question, archive: Archive | None) -> Iterator[list[ArchivedFile]]:
    until = question.place.at if question.place else question.until
    return newest_days(archive.files if archive else (), since=question.since, until=until)


def _newest(found: list[Found], wanted: int) -> list[Found]:
    return sorted(found, key=attrgetter("place"), reverse=True)[:wanted]


def _in_journal(journal: JournalFiles, where: str, given: Mapping[str, object], ends: float) -> list[Found]:
    segments = journal.segments
    if not segments:
        return []
    rows = journal_rows("$instance", "$segments", f"seq > $beyond AND {where}")
    paths = [str(path) for path in segments]
    with _asking(segments, ends) as ask:
        own = {"instance": journal.instance, "segments": paths, "beyond": journal.after}
        return [Found(*row) for row in ask(f"{rows} {_NEWEST}", {**given, **own})]


def _in_files(paths: Sequence[Path], where: str, given: Mapping[str, object], ends: float) -> list[Found]:
    """Return the newest rows of archived files.

    How far back they reach takes one column; all of them are then read from those rows alone that are new enough.
    """
    given = {**given, "archived": [str(path) for path in paths]}
    times = _archived(where, columns=("time",))
    newest = f'SELECT "time" FROM ({times}) ORDER BY "time" DESC LIMIT $limit'  # noqa: S608  # made of names and parameters
    with _asking(paths, ends) as ask:
        [(reach,)] = ask(f'SELECT min("time") FROM ({newest})', given)  # noqa: S608  # the same
        if reach is None:
            return []
        rows = _archived(f'"time" >= $reach AND {where}', columns=_FIELDS)
        found = ask(f"SELECT * FROM ({rows}) {_NEWEST}", {**given, "reach": reach})  # noqa: S608  # the same
        return [Found(*row) for row in found]


def _archived(where: str, *, columns: Sequence[str]) -> str:
    """Return SQL for the archived rows. One column is asked at a time, since only so do Parquet's filters help."""
    either = [where.replace(_CONDITIONS["who"], one) for one in _WHO] if _CONDITIONS["who"] in where else [where]
    return " UNION ALL ".join(archived_rows("$archived", one, columns=columns) for one in either)


def _conditions(question: Question) -> tuple[str, dict[str, object]]:
    since, until = bounds(question)
    after = question.place
    given: dict[str, object] = {
        "who": question.who,
        "issuer": question.issuer,
        "resource": question.resource,
        "version": question.version,
        "action": question.action,
        "origin": question.address,
        "request": question.request,
        "since": since,
        "until": until,
    }
    given = {name: value for name, value in given.items() if value not in {"", None}}
    wanted = [_CONDITIONS[name] for name in given]
    if question.refused:
        wanted.append(_CONDITIONS["refused"])
    if after:
        wanted.append(_CONDITIONS["after"])
        given |= {"after_time": after.time, "after_instance": after.instance, "after_seq": after.seq}
    return " AND ".join(wanted) or "true", given


@contextmanager
def _asking(files: Sequence[Path], ends: float) -> Iterator[Ask]:
    """Give what asks a database that can read these files' folders, until a moment of the monotonic clock."""
    seconds = ends - time.monotonic()
    if seconds <= 0:
        raise _too_long()
    with connect(readable=sorted({path.parent for path in files})) as database:
        timer = Timer(seconds, database.interrupt)
        timer.start()
        try:
            yield lambda sql, given: database.execute(sql, given).fetchall()
        except duckdb.InterruptException as error:
            raise _too_long() from error
        except duckdb.Error as error:
            raise JournalUnavailable(f"The audit cannot be searched ({type(error).__name__}).") from error
        finally:
            timer.cancel()


def _too_long() -> TooLarge:
    return TooLarge(
        "The question takes too long.",
        hint="Narrow it: by time (--since), or by resource. Or ask again: what was fetched of the archive stays.",
    )


def _page(found: list[Found], limit: int) -> Page:
    events = tuple(found[:limit])
    return Page(events, events[-1].place if len(found) > limit else None)
