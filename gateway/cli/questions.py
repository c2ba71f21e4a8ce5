"""`gateway audit search`, `report`, `lineage` and `sinks`: questions to the audit, here on files or to the gateway."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.audit.lineage import Published, descendants
from gateway.audit.parquet import archived_until, list_local, require_duckdb
from gateway.audit.question import MAX_PAGE, Find, Found, Page, Place, Question, every
from gateway.audit.report import Review, as_csv, as_html
from gateway.audit.segments import list_journals
from gateway.cli.console import Json, Profile, Resource, Url, write_json, write_rows
from gateway.client import Gateway
from gateway.client.reference import Reference
from gateway.clock import utc_now
from gateway.errors import GatewayUnavailable, InvalidInput, LocalFileError

_COLUMNS = [(field.name, int if field.name in {"seq", "time", "bytes"} else str) for field in fields(Found)]
_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]

Local = Annotated[
    Path | None,
    typer.Option(
        "--journal",
        metavar="PATH",
        help="A journal's folder on this machine. Else, ask the gateway.",
        show_default=False,
    ),
]
Archive = Annotated[
    Path | None,
    typer.Option("--archive", metavar="PATH", help="A copy of the archive on this machine.", show_default=False),
]
Since = Annotated[
    datetime | None, typer.Option("--since", formats=_TIMES, help="From then on, in UTC.", show_default=False)
]
Until = Annotated[datetime | None, typer.Option("--until", formats=_TIMES, help="Before then.", show_default=False)]


class Format(StrEnum):
    """What a report is written as."""

    CSV = "csv"
    HTML = "html"


def search(
    who: Annotated[str, typer.Option(help="A principal's name or subject.")] = "",
    issuer: Annotated[str, typer.Option(help="The alias of their issuer.")] = "",
    resource: Annotated[str, typer.Option(help="A dataset, a model, or anything below one.")] = "",
    version: Annotated[str, typer.Option(help="The version that was meant, as v3.")] = "",
    action: Annotated[str, typer.Option(help="As gateway:ReadFile.")] = "",
    origin: Annotated[str, typer.Option("--from", help="An address.")] = "",
    request: Annotated[str, typer.Option(help="A request's id.")] = "",
    refused: Annotated[bool, typer.Option("--refused", help="Only what was refused or failed.")] = False,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option("-n", min=1, help="The most events to show.")] = 100,
    journal: Local = None,
    archive: Archive = None,
    as_json: Json = False,
    url: Url = None,
    profile: Profile = None,
) -> None:
    """Find events, newest first: who touched what, what somebody read, what came from where, what was refused and why.

    Example: gateway audit search --resource dataset/vision/digits --refused --since 2026-03-01
    """
    question = Question(
        who=who,
        issuer=issuer,
        resource=resource,
        version=version,
        action=action,
        origin=origin,
        request=request,
        refused=refused,
        since=_utc(since),
        until=_utc(until),
        limit=min(limit, MAX_PAGE),
    )
    with _looking(journal, archive, url, profile) as find:
        found = islice(every(find, question), limit)
        if as_json:
            for event in found:
                write_json(event)
        else:
            heads = ("TIME", "WHO", "ACTION", "RESOURCE", "VERSION", "DECISION", "STATUS", "WHY", "FROM", "RECORD")
            write_rows(heads, map(_cells, found))


def report(
    resource: Resource,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file; else the standard output.")] = None,
    form: Annotated[Format, typer.Option("--format", help="CSV, or one HTML page with charts.")] = Format.CSV,
    since: Since = None,
    until: Until = None,
    journal: Local = None,
    archive: Archive = None,
    as_json: Annotated[bool, typer.Option("--json", help="A line of JSON for each principal, instead.")] = False,
    url: Url = None,
    profile: Profile = None,
) -> None:
    """Write an access review of a dataset or model: who used it, how much, from where, and who was refused.

    Example: gateway audit report dataset/vision/digits --format html -o digits.html
    """
    question = Question(resource=str(resource), since=_utc(since), until=_utc(until))
    review = Review(str(resource), utc_now(), question.since, question.until)
    with _looking(journal, archive, url, profile) as find:
        review.add(every(find, question))
    if as_json:
        for access in review.accesses:
            write_json(access)
        return
    text = as_csv(review) if form is Format.CSV else as_html(review)
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise LocalFileError(f"{output} cannot be written: {error.strerror}.") from error


def lineage(
    version: Annotated[str, typer.Argument(help="As dataset/NAMESPACE/NAME@v3.")],
    journal: Local = None,
    archive: Archive = None,
    as_json: Json = False,
    url: Url = None,
    profile: Profile = None,
) -> None:
    """List what was published by those who had read a version before, likeliest with one token (a training job).

    Example: gateway audit lineage dataset/vision/digits@v3
    """
    reference = Reference.parse(version)
    if reference.version.number is None or reference.path:
        raise InvalidInput(f"{version[:80]!r} names no version by its number.", hint="Write it like NAME@v3.")
    with _looking(journal, archive, url, profile) as find:
        found = descendants(find, str(reference.resource), str(reference.version))
    if as_json:
        for one in found:
            write_json(one)
        return
    heads = ("PUBLISHED", "VERSION", "TIME", "WHO", "FIRST READ", "ONE TOKEN")
    write_rows(heads, (_descent(one) for one in found))


def sinks(as_json: Json = False, url: Url = None, profile: Profile = None) -> None:
    """Show how far each sink of the gateway has come, what waits for it, and why.

    Example: gateway audit sinks
    """
    with Gateway(url, profile=profile) as gateway:
        answer = gateway.audit_sinks()
    if as_json:
        write_json(answer)
        return
    heads = ("SINK", "SENT", "WAITING", "LAG", "DEAD", "FAULT")
    names = ("name", "seq", "waiting", "lag_seconds", "dead", "fault")
    write_rows(heads, (tuple(str(sink[name]) or "-" for name in names) for sink in answer["sinks"]))


@contextmanager
def _looking(journal: Path | None, archive: Path | None, url: str | None, profile: str | None) -> Iterator[Find]:
    """Give what answers questions: the files that are named, or else the gateway."""
    if journal is not None or archive is not None:
        yield _local(journal, archive)
        return
    with Gateway(url, profile=profile) as gateway:
        yield partial(_remote, gateway)


def _local(journal: Path | None, archive: Path | None) -> Find:
    require_duckdb()
    from gateway.audit.search import Archive, JournalFiles, Sources, search  # noqa: PLC0415 -- needs DuckDB

    files = list_local(archive) if archive else []
    folders = list_journals(journal) if journal else []
    if not files and not folders:
        places = " or ".join(str(place) for place in (journal, archive) if place)
        hint = "Name the folder in audit.directory, or one that has the archive's 'events' folder."
        raise LocalFileError(f"There are no events at {places}.", hint=hint)
    sources = Sources(
        Archive(files, lambda wanted: [archive / file.key for file in wanted]) if archive else None,
        [JournalFiles(folder.name, folder, archived_until(files, folder.name)) for folder in folders],
    )
    return lambda question: search(question, sources)


def _remote(gateway: Gateway, question: Question) -> Page:
    answer = gateway.audit_search(**question.parameters)
    try:
        events = [_found(event) for event in answer["events"]]
        return Page(tuple(events), Place.parse(answer["next"]) if answer["next"] else None)
    except (LookupError, TypeError, ValueError) as error:
        raise GatewayUnavailable("The gateway's answer is none that we know.") from error


def _found(event: Mapping[str, Any]) -> Found:
    columns: dict[str, Any] = {name: kind(event[name]) for name, kind in _COLUMNS}
    return Found(**columns)


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment else None


def _cells(found: Found) -> tuple[str, ...]:
    texts = (
        found.who,
        found.action,
        found.resource,
        found.version,
        found.decision or found.class_name,
        found.status,
        found.code,
        found.origin,
    )
    return (f"{found.at:%Y-%m-%d %H:%M:%S}", *(_shown(text) for text in texts), f"{found.instance}:{found.seq}")


def _descent(one: Published) -> tuple[str, ...]:
    times = (f"{one.at:%Y-%m-%d %H:%M:%S}", f"{one.read_at:%Y-%m-%d %H:%M:%S}")
    return (one.name, one.version, times[0], _shown(one.who), times[1], "yes" if one.one_session else "no")


def _shown(text: str) -> str:
    """Return a text that moves no cursor."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text) or "-"
