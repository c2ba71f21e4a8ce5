"""`gateway audit`: verifies and reads the journal, offline or through the gateway."""

import sys
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from gateway.audit.entry import is_by, read_entry
from gateway.audit.record import Record, parse
from gateway.audit.segments import last_head, list_segments, read_after
from gateway.cli.audit_proofs import check_event, prove_event
from gateway.cli.audit_verify import verify
from gateway.cli.console import Json, Profile, Url, write_json
from gateway.cli.journals import JournalPath, as_local_error, cells_of, find_journal
from gateway.cli.questions import lineage, report, search, sinks
from gateway.client import Gateway

app = typer.Typer(no_args_is_help=True, help="Verify and read the audit journal.")
app.command("verify")(verify)
app.command("prove")(prove_event)
app.command("check-proof")(check_event)
for ask in (search, report, lineage, sinks):
    app.command()(ask)

_PAGE = 10_000
_POLL_SECONDS = 1.0
_READ_AUDIT = "gateway:ReadAudit"


@app.callback()
def _audit() -> None:
    """Verify and read the audit journal.

    Example: gateway audit verify --list
    """


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
        folder = find_journal(journal)
        return lambda after: _read_local(folder, after), lambda _: False
    gateway = opened.enter_context(Gateway(url, profile=profile))
    me = gateway.whoami()
    return (
        lambda after: (line + b"\n" for line in gateway.audit_lines(after=after, limit=_PAGE)),
        partial(is_by, issuer=me.issuer, subject=me.subject, action=_READ_AUDIT),
    )


def _read_local(folder: Path, after: int) -> list[bytes]:
    with as_local_error(folder):
        if after < 0:
            newest = last_head(list_segments(folder)[-1])
            after = max(0, (newest.seq if newest else 0) + after)
        return read_after(folder, after, _PAGE)


def _show(record: Record, *, as_json: bool) -> None:
    if as_json:
        write_json({"seq": record.seq, "event": record.read_event()})
    else:
        typer.echo("\t".join(cells_of(read_entry(record))))
