"""Runs the benches that are named, or all of them, and prints one table."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import cast

from harness import Row
from report import as_json, as_markdown, show

FOLDER = Path(__file__).parent
NOT_BENCHES = {"__main__", "harness", "report"}


def known() -> list[str]:
    """Return the names of all benches."""
    return sorted({path.stem for path in FOLDER.glob("*.py")} - NOT_BENCHES)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line. Exits with 2 where it names what is not there."""
    parser = argparse.ArgumentParser(prog="./scripts/bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known())}; all if none is given")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there as well")
    parser.add_argument("--markdown", action="store_true", help="print a Markdown table")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.names) - set(known())):
        parser.error(f"There is no bench {', '.join(unknown)}. Known: {', '.join(known())}.")
    if options.json and not options.json.absolute().parent.is_dir():
        parser.error(f"The folder of {options.json} does not exist.")
    return options


def measure(names: Sequence[str]) -> list[Row]:
    """Run the benches one after the other."""
    rows: list[Row] = []
    for name in names:
        print(f"{name} …", file=sys.stderr)
        rows += cast("Iterable[Row]", import_module(name).run())
    return rows


def main() -> None:
    """Measure and print."""
    options = parse()
    rows = measure(options.names or known())
    if options.json:
        options.json.write_text(as_json(rows))
    if options.markdown:
        print(as_markdown(rows))
    else:
        show(rows)


if __name__ == "__main__":
    main()
