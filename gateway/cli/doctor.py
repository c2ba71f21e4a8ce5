"""`gateway doctor`: what is wrong, and what to do about it."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

Row = tuple[str, str, str]
"""What was checked, its fault (empty if all is well), and the next step."""


def doctor(
    config: Annotated[
        Path | None, typer.Option(help="Examine a server's settings file and its parts, rather than this client.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON value.")] = False,
) -> None:
    """Check that everything is in place; exits 1 if something is not.

    Without --config it looks at this client: the gateway it talks to, its clock, its login.

    Example: gateway doctor --config gateway.toml
    """
    rows = _server(config) if config else _client()
    if as_json:
        typer.echo(
            json.dumps([{"check": name, "ok": not fault, "fault": fault, "hint": hint} for name, fault, hint in rows])
        )
    else:
        _show(rows)
    if any(fault for _, fault, _ in rows):
        raise typer.Exit(1)


def _server(config: Path) -> list[Row]:
    import anyio  # noqa: PLC0415 -- the base install has no server

    from gateway.examination import examine  # noqa: PLC0415 -- the same

    async def collect() -> list[Row]:
        return [(found.name, found.fault, found.hint) async for found in examine(config)]

    return anyio.run(collect)


def _client() -> list[Row]:
    from gateway.client.examination import examine  # noqa: PLC0415 -- loaded when it is needed

    return [(found.name, found.fault, found.hint) for found in examine()]


def _show(rows: list[Row]) -> None:
    console = Console(highlight=False)
    for name, fault, hint in rows:
        mark = "[red]✗[/]" if fault else "[green]✓[/]"
        console.print(f"{mark} {name}", f"[red]{fault}[/]" if fault else "")
        if fault and hint:
            console.print(f"    {hint}")
