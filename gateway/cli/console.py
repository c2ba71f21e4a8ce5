"""How commands show results: JSON for programs, tables and progress bars on a terminal, plain lines elsewhere."""

import base64
import dataclasses
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bars
from rich.table import Table

from gateway.client.progress import Progress, Silent
from gateway.model import ResourceName

Json = Annotated[bool, typer.Option("--json", help="Write JSON for programs.")]
Url = Annotated[
    str | None, typer.Option("--url", help="The gateway; else GATEWAY_URL, else the profile's.", show_default=False)
]
Profile = Annotated[
    str | None, typer.Option("--profile", help="Which login to use; else GATEWAY_PROFILE.", show_default=False)
]

Resource = Annotated[
    ResourceName, typer.Argument(parser=ResourceName.parse, help="dataset/NAMESPACE/NAME or model/NAMESPACE/NAME.")
]


def write_json(value: object) -> None:
    """Write one JSON value on a line of the standard output."""
    sys.stdout.write(json.dumps(value, default=_plain, ensure_ascii=False) + "\n")


def write_rows(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a table: drawn on a terminal, else without heads and with tabs, for `cut` and `awk`."""
    if not sys.stdout.isatty():
        for row in rows:
            sys.stdout.write("\t".join(row) + "\n")
        return
    table = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*row)
    Console().print(table)


@contextmanager
def progress_bar(label: str, *, hidden: bool) -> Iterator[Progress]:
    """Give a listener that draws a bar on stderr while it is a terminal."""
    if hidden or not sys.stderr.isatty():
        yield Silent()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        yield _Drawn(bars, bars.add_task(label, total=0))


class _Drawn:
    """Draws what a transfer tells."""

    def __init__(self, bars: Bars, task: TaskID) -> None:
        self._bars = bars
        self._task = task
        self._total = 0

    def expect(self, files: int, size: int) -> None:
        del files
        self._total += size
        self._bars.update(self._task, total=self._total)

    def moved(self, size: int) -> None:
        self._bars.advance(self._task, size)

    def finished(self, path: str) -> None:
        """Leave the bar as it is: it counts bytes."""


def _plain(value: object) -> object:
    """Return what JSON can hold of our own types."""
    if isinstance(value, ResourceName):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.urlsafe_b64encode(value).decode().rstrip("=")
    if isinstance(value, Mapping):
        return dict(value)
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    raise TypeError(f"{type(value).__name__} has no form in JSON")
