"""Answers questions by DuckDB, over archived Parquet files and what the journal has beyond them.

Every value is a parameter, the statement is one of a few, and the database can read nothing but the files that the
question is about: a name that looks like SQL finds what has that name.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import Any

import duckdb

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
class Sources:
    """Where events are looked for."""

    archived: Sequence[Path] = ()
    journals: Sequence[JournalFiles] = ()


def search(question: Question, sources: Sources, *, longest_seconds: float = _LONGEST_SECONDS) -> Page:
    """Return a page of the events that are asked for, newest first.

    Raises:
        TooLarge: it takes too long.
        JournalUnavailable: a file cannot be read.
    """
    where, given = _conditions(question)
    given["limit"] = question.limit + 1
    journals = [(journal, segments) for journal in sources.journals if (segments := journal.segments)]
    folders = {path.parent for path in sources.archived} | {journal.folder for journal, _ in journals}
    if not folders:
        return Page((), None)
    with _asking(sorted(folders), longest_seconds) as ask:
        selects = []
        if sources.archived:
            given["archived"] = [str(path) for path in sources.archived]
            selects = _reaching(ask, where, given)
        for n, (journal, segments) in enumerate(journals):
            selects.append(journal_rows(f"$instance{n}", f"$segments{n}", f"seq > $beyond{n} AND {where}"))
            given[f"instance{n}"] = journal.instance
            given[f"segments{n}"] = [str(path) for path in segments]
            given[f"beyond{n}"] = journal.after
        names = ", ".join(f'"{name}"' for name in _FIELDS)
        rows = " UNION ALL ".join(selects)
        found = ask(f"SELECT {names} FROM ({rows}) {_NEWEST}", given) if selects else []  # noqa: S608
    return _page([Found(*row) for row in found], question.limit)


def _reaching(ask: Ask, where: str, given: dict[str, object]) -> list[str]:
    """Return what selects a page's archived rows, if there are any, and note how far back the page reaches.

    That takes few of the columns; all of them are then read from those files alone that are new enough.
    """
    times = _archived(where, columns=("time",))
    newest = f'SELECT "time" FROM ({times}) ORDER BY "time" DESC LIMIT $limit'  # noqa: S608
    [(reach,)] = ask(f'SELECT min("time") FROM ({newest})', given)  # noqa: S608
    if reach is None:
        del given["archived"]
        return []
    given["reach"] = reach
    return [_archived(f'"time" >= $reach AND {where}', columns=_FIELDS)]


def _archived(where: str, *, columns: Sequence[str]) -> str:
    """Return SQL for the archived rows. One column is asked at a time, since only so do Parquet's filters help."""
    either = [where.replace(_CONDITIONS["who"], one) for one in _WHO] if _CONDITIONS["who"] in where else [where]
    return " UNION ALL ".join(archived_rows("$archived", one, columns=columns) for one in either)


def _conditions(question: Question) -> tuple[str, dict[str, object]]:
    since, until = bounds(question)
    after = question.after
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
def _asking(folders: Sequence[Path], longest_seconds: float) -> Iterator[Ask]:
    """Give what asks a database that can read these folders, for so long."""
    with connect(readable=folders) as database:
        timer = Timer(longest_seconds, database.interrupt)
        timer.start()
        try:
            yield lambda sql, given: database.execute(sql, given).fetchall()
        except duckdb.InterruptException as error:
            hint = "Narrow it: by time (--since), or by resource."
            raise TooLarge(f"The question takes longer than {longest_seconds:g} s.", hint=hint) from error
        except duckdb.Error as error:
            raise JournalUnavailable(f"The audit cannot be searched ({type(error).__name__}).") from error
        finally:
            timer.cancel()


def _page(found: list[Found], limit: int) -> Page:
    events = tuple(found[:limit])
    return Page(events, events[-1].place if len(found) > limit else None)
