"""Answers questions by DuckDB, over archived Parquet files and what the journal has beyond them.

Every value is a parameter, the statement is one of a few, and the database can read nothing but the files that the
question is about: a name that looks like SQL finds what has that name.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

import duckdb

from gateway.audit.question import Found, Page, Question, bounds
from gateway.audit.segments import first_seq, list_segments
from gateway.audit.table import COLUMNS, archived_rows, connect, journal_rows
from gateway.errors import JournalUnavailable, TooLarge

_FIELDS = ("instance", *COLUMNS)
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
    selects, folders = [], set[Path]()
    if sources.archived:
        selects.append(archived_rows("$archived", where))
        given["archived"] = [str(path) for path in sources.archived]
        folders |= {path.parent for path in sources.archived}
    for n, journal in enumerate(sources.journals):
        if segments := journal.segments:
            selects.append(journal_rows(f"$instance{n}", f"$segments{n}", f"seq > $beyond{n} AND {where}"))
            given[f"instance{n}"] = journal.instance
            given[f"segments{n}"] = [str(path) for path in segments]
            given[f"beyond{n}"] = journal.after
            folders.add(journal.folder)
    if not selects:
        return Page((), None)
    rows = f"({' UNION ALL '.join(selects)})"
    newest = 'ORDER BY "time" DESC, instance DESC, seq DESC LIMIT $limit'
    names = ", ".join(f'"{name}"' for name in _FIELDS)
    given["limit"] = question.limit + 1
    found = _ask(f"SELECT {names} FROM {rows} {newest}", given, sorted(folders), longest_seconds)  # noqa: S608
    return _page(found, question.limit)


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


def _ask(sql: str, given: dict[str, object], folders: Sequence[Path], longest_seconds: float) -> list[Found]:
    with connect(readable=folders) as database:
        timer = Timer(longest_seconds, database.interrupt)
        timer.start()
        try:
            return [Found(*row) for row in database.execute(sql, given).fetchall()]
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
