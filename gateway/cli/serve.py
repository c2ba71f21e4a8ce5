"""`gateway serve`: the server."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.errors import InvalidConfiguration


def serve(
    config: Annotated[Path, typer.Option(help="The settings file; GATEWAY_* variables override it.")] = Path(
        "gateway.toml"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Log as lines of JSON.")] = False,
) -> None:
    """Run the gateway in the foreground, until Ctrl-C or SIGTERM.

    Example: gateway serve --config /etc/gateway/gateway.toml
    """
    from gateway import server  # noqa: PLC0415 -- the base install has none

    if not config.is_file():
        raise InvalidConfiguration(f"There is no settings file {config}.", hint="Name one with --config.")
    server.run(config, json_logs=as_json)
