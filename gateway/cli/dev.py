"""`gateway dev`: the whole product on a laptop, real parts included."""

import json
import signal
from pathlib import Path
from typing import Annotated

import typer

from gateway.clock import utc_now


def dev(
    state: Annotated[
        Path, typer.Option("--state", metavar="DIR", help="Where everything is kept; a second run resumes it.")
    ] = Path(".state"),
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=0, max=65535, help="The gateway's port; 0 takes a free one.")
    ] = 8420,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="Further settings (TOML), laid over these."),
    ] = None,
    _json: Annotated[bool, typer.Option("--json", help="Print JSON, as it does anyway.")] = False,
) -> None:
    """Start OpenBao, SeaweedFS and a gateway on this machine, and stop them together.

    Prints one line of JSON when everything is up: addresses, users and the files that hold their passwords.
    Runs until Ctrl-C or SIGTERM. Should a part end by itself, the rest is stopped and the exit code says so.

    Example: gateway dev --state .state --port 8420
    """
    # Late, so that a client without the [dev] extra can still list its commands.
    from gateway.devstack.development import developing  # noqa: PLC0415

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with developing(state, port=port, overlay=config) as development:
            typer.echo(json.dumps(development.summary()))
            development.watch(utc_now)
    except KeyboardInterrupt:
        return
