"""Prints rows as a table, for people, for a README, or for a program."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from harness import Row
from rich.console import Console
from rich.table import Table

HEADINGS = ("bench", "case", "ours", "baseline", "ratio", "aim", "met")
_WITHOUT_TERMINAL = 160
"""Columns of the plain table: wide enough that nothing wraps."""


def as_json(rows: Sequence[Row]) -> str:
    """Return the rows as a JSON list."""
    return json.dumps([asdict(row) for row in rows], indent=2) + "\n"


def as_markdown(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table."""
    lines = [HEADINGS, ("---",) * len(HEADINGS), *map(_cells, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def show(rows: Sequence[Row]) -> None:
    """Print a table, with colours and rules only on a terminal."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WITHOUT_TERMINAL)
    table = Table(*HEADINGS, box=None)
    for row in rows:
        table.add_row(*_cells(row), style="red" if row.met is False else None)
    console.print(table)


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.bench,
        row.case,
        f"{_number(row.value)} {row.unit}",
        f"{row.baseline}: {_number(row.baseline_value)} {row.unit}",
        f"{_number(row.ratio)} x",
        "" if row.aim is None else f"{row.aim:g} x",
        {None: "", True: "yes", False: "no"}[row.met],
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
