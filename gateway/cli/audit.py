"""`gateway audit`: verifies and reads the journal, offline or through the gateway."""

import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from gateway.audit.chain import Report
from gateway.audit.entry import Entry, is_by, read_entry, read_time
from gateway.audit.evidence import Evidence, verify_signed
from gateway.audit.note import MAX_NOTE_BYTES, VerifierKey
from gateway.audit.record import Head, Record, parse
from gateway.audit.segments import last_head, list_journals, list_segments, read_after, read_lines
from gateway.audit.tree import FOLDER, Tree
from gateway.cli.audit_proofs import PublicKeys, check_event, prove_event, read_keys, read_small
from gateway.cli.console import Json, Profile, Url, write_json, write_rows
from gateway.cli.questions import lineage, report, search, sinks
from gateway.client import Gateway
from gateway.errors import InvalidInput, JournalBroken, LocalFileError

app = typer.Typer(no_args_is_help=True, help="Verify and read the audit journal.")
app.command("prove")(prove_event)
app.command("check-proof")(check_event)
for ask in (search, report, lineage, sinks):
    app.command()(ask)

_PAGE = 10_000
_POLL_SECONDS = 1.0
_READ_AUDIT = "gateway:ReadAudit"

JournalPath = Annotated[
    Path | None,
    typer.Option(
        "--journal",
        metavar="PATH",
        help="A journal on this machine: its folder, the folder of several, or one file. Else, ask the gateway.",
        show_default=False,
    ),
]


@app.callback()
def _audit() -> None:
    """Verify and read the audit journal.

    Example: gateway audit verify --list
    """


@app.command()
def verify(
    journal: JournalPath = None,
    listed: Annotated[
        bool, typer.Option("--list", help="List every event: who, what, when, and the decision.")
    ] = False,
    head: Annotated[
        str | None,
        typer.Option(metavar="SEQ:HASH", help="A head that was noted earlier: the journal must still contain it."),
    ] = None,
    keys: PublicKeys = None,
    checkpoints: Annotated[
        list[Path] | None,
        typer.Option(
            "--checkpoint",
            metavar="FILE",
            help="A checkpoint that was noted earlier or archived: the journal must agree with it.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
    url: Url = None,
    profile: Profile = None,
) -> None:
    """Prove that no record of the journal was altered, removed, reordered or inserted; else name the first that was.

    A journal on this machine is held against every checkpoint that was signed of it; give the log's key with
    --public-key, since who changes a journal can change a key beside it. Through the gateway, or without checkpoints,
    a journal that was cut short or written anew shows only against a --head or --checkpoint noted before.

    Example: gateway audit verify --journal /var/lib/gateway/audit --public-key gateway.vkey
    """
    against = _Against(
        read_keys(keys or []),
        [read_small(file, MAX_NOTE_BYTES) for file in checkpoints or []],
        _read_head(head) if head else None,
    )
    if checkpoints and not keys:
        raise InvalidInput("A checkpoint shows nothing without the log's key.", hint="Name it: --public-key FILE.")
    if journal is None:
        with Gateway(url, profile=profile) as gateway:
            _verify_one(_pages(gateway), against, None, listed=listed, as_json=as_json)
        return
    instances: dict[str, Path] = {}
    for found in _find(journal):
        with _as_local_error(found):
            tree = Tree(found / FOLDER) if found.is_dir() else None
            instance = _verify_one(read_lines(found), against, tree, listed=listed, as_json=as_json)
        if instance in instances:
            raise JournalBroken(f"Two journals have one identity: {instances[instance]} and {found} are of {instance}.")
        instances[instance] = found


@app.command()
def tail(
    journal: JournalPath = None,
    count: Annotated[int, typer.Option("-n", min=1, max=_PAGE, help="How many events to begin with.")] = 10,
    follow: Annotated[bool, typer.Option("-f", help="Go on with new events, until Ctrl-C.")] = False,
    as_json: Json = False,
    url: Url = None,
    profile: Profile = None,
) -> None:
    """Show the newest events, one a line.

    Example: gateway audit tail -n 20 -f
    """
    with ExitStack() as opened:
        read, is_ours = _reader(journal, opened, url, profile)
        after, hidden = -count, False
        while True:
            records = [record for record in map(parse, read(after)) if record]
            for record in records:
                if not (hidden and is_ours(record)):
                    _show(record, as_json=as_json)
            after = records[-1].seq if records else after
            if not follow:
                return
            sys.stdout.flush()
            time.sleep(_POLL_SECONDS)
            hidden = True


def _reader(
    journal: Path | None, opened: ExitStack, url: str | None, profile: str | None
) -> tuple[Callable[[int], Iterable[bytes]], Callable[[Record], bool]]:
    """Return what reads the lines after a number (or the last few, if it is negative), and what tells our own reading.

    Each look at the gateway's journal is an event in it; to show those while following would never end.
    """
    if journal:
        folder = _find_one(journal)
        return lambda after: _read_local(folder, after), lambda _: False
    gateway = opened.enter_context(Gateway(url, profile=profile))
    me = gateway.whoami()
    return (
        lambda after: (line + b"\n" for line in gateway.audit_lines(after=after, limit=_PAGE)),
        partial(is_by, issuer=me.issuer, subject=me.subject, action=_READ_AUDIT),
    )


def _read_local(folder: Path, after: int) -> list[bytes]:
    with _as_local_error(folder):
        if after < 0:
            newest = last_head(list_segments(folder)[-1])
            after = max(0, (newest.seq if newest else 0) + after)
        return read_after(folder, after, _PAGE)


def _pages(gateway: Gateway) -> Iterator[bytes]:
    """Yield the whole journal, page by page. Reading is recorded as well, so the last page is one that is not full."""
    after, full = 0, True
    while full:
        count = 0
        for line in gateway.audit_lines(after=after, limit=_PAGE):
            count += 1
            yield line + b"\n"
        after += count
        full = count == _PAGE


@dataclass(frozen=True, slots=True)
class _Against:
    """What the caller wants journals to be held against."""

    keys: list[VerifierKey]
    checkpoints: list[bytes]
    head: Head | None


def _verify_one(lines: Iterable[bytes], against: _Against, tree: Tree | None, *, listed: bool, as_json: bool) -> str:
    """Verify one journal, say what was found, and return whose it is."""
    entries: list[Entry] = []
    evidence = verify_signed(
        _noting(lines, entries) if listed else lines,
        notes=tree.notes() if tree else (),
        keys=against.keys or (tree.keys() if tree else []),
        known=against.checkpoints,
        leaves=(lambda size, start: tree.leaves(size, start=start)) if tree else None,
        expected=against.head,
    )
    report = evidence.report
    if as_json:
        write_json(_summary(evidence) | ({"events": entries} if listed else {}))
        return report.instance
    if listed:
        write_rows(("SEQ", "TIME", "WHO", "ACTION", "RESOURCE", "DECISION", "STATUS", "FROM"), map(_cells, entries))
    first, last = (_when(read_time(record)) if record else "" for record in (report.first, report.last))
    typer.echo(f"The journal of {report.instance} is whole: {report.count} records, from {first} to {last} UTC.")
    if evidence.checkpoints:
        typer.echo(f"{evidence.checkpoints} signed checkpoints agree with it, up to record {evidence.covered}.")
        if not against.keys:
            typer.echo("They were checked with the key that lies beside the journal; name yours with --public-key.")
    typer.echo(f"Its head, to note down and to check against later (--head): {_head(report)}")
    return report.instance


def _noting(lines: Iterable[bytes], entries: list[Entry]) -> Iterator[bytes]:
    """Pass the lines on, and note each once it was found good, which is when the next one is asked for."""
    for line in lines:
        yield line
        if record := parse(line):
            entries.append(read_entry(record))


def _summary(evidence: Evidence) -> dict[str, object]:
    report = evidence.report
    first, last = (read_time(record) if record else None for record in (report.first, report.last))
    return {
        "whole": True,
        "instance": report.instance,
        "records": report.count,
        "first": first.isoformat() if first else None,
        "last": last.isoformat() if last else None,
        "head": _head(report),
        "checkpoints": evidence.checkpoints,
        "covered": evidence.covered,
    }


def _head(report: Report) -> str:
    return f"{report.head.seq}:{report.head.hash.decode()}"


def _when(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else "-"


def _show(record: Record, *, as_json: bool) -> None:
    if as_json:
        write_json({"seq": record.seq, "event": record.read_event()})
    else:
        typer.echo("\t".join(_cells(read_entry(record))))


def _cells(entry: Entry) -> tuple[str, ...]:
    texts = (entry.who, entry.action, entry.resource, entry.decision, entry.status, entry.origin)
    return (str(entry.seq), _when(entry.time), *(text or "-" for text in texts))


def _read_head(text: str) -> Head:
    found = re.fullmatch(r"([1-9][0-9]{0,15}):([0-9a-f]{64})", text)
    if not found:
        raise InvalidInput(f"{text[:80]!r} is no head of a journal.", hint="Write it as 'gateway audit verify' did.")
    return Head(int(found[1]), found[2].encode())


def _find(path: Path) -> list[Path]:
    with _as_local_error(path):
        found = list_journals(path)
    if not found:
        raise LocalFileError(f"There is no journal at {path}.", hint="Name the folder in audit.directory.")
    return found


def _find_one(path: Path) -> Path:
    found = _find(path)
    if len(found) > 1 or found[0].is_file():
        one = found[0].parent if found[0].is_file() else found[0]
        raise InvalidInput(f"{path} is not one journal's folder.", hint=f"Name one, like {one}.")
    return found[0]


@contextmanager
def _as_local_error(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LocalFileError(f"The journal at {path} cannot be read: {error.strerror}.") from error
