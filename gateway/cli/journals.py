"""Finds the journals that a path on this machine names, and shows their records as rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from gateway.audit.entry import Entry
from gateway.audit.segments import list_journals
from gateway.errors import InvalidInput, LocalFileError

JournalPath = Annotated[
    Path | None,
    typer.Option(
        "--journal",
        metavar="PATH",
        help="A journal on this machine: its folder, the folder of several, or one file. Else, ask the gateway.",
        show_default=False,
    ),
]


def find_journals(path: Path) -> list[Path]:
    """Return the journals at the path. Raises `LocalFileError`: there is none."""
    with as_local_error(path):
        found = list_journals(path)
    if not found:
        raise LocalFileError(f"There is no journal at {path}.", hint="Name the folder in audit.directory.")
    return found


def find_journal(path: Path) -> Path:
    """Return the one journal whose folder is named. Raises `InvalidInput`: it is none, or there are several."""
    found = find_journals(path)
    if len(found) > 1 or found[0].is_file():
        one = found[0].parent if found[0].is_file() else found[0]
        raise InvalidInput(f"{path} is not one journal's folder.", hint=f"Name one, like {one}.")
    return found[0]


@contextmanager
def as_local_error(path: Path) -> Iterator[None]:
    """Turn what the system says of a journal's files into an error of ours."""
    try:
        yield
    except OSError as error:
        raise LocalFileError(f"The journal at {path} cannot be read: {error.strerror}.") from error


def when(moment: datetime | None) -> str:
    """Return a moment as it is shown."""
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else "-"


def cells_of(entry: Entry) -> tuple[str, ...]:
    """Return an entry as a row."""
    texts = (entry.who, entry.action, entry.resource, entry.decision, entry.status, entry.origin)
    return (str(entry.seq), when(entry.time), *(text or "-" for text in texts))
