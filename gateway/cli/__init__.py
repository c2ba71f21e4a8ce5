"""The `gateway` command. Its parts are loaded when they are used: each starts fast and needs only what it needs."""

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from gateway import __version__
from gateway.cli import exit_codes
from gateway.cli.lazy import LazyGroup
from gateway.cli.report import report, report_usage
from gateway.errors import GatewayError, InvalidConfiguration

app = typer.Typer(
    cls=LazyGroup,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    epilog="Exit codes: " + "\n\n".join(exit_codes.table()),
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"gateway {__version__}")
        raise typer.Exit


@app.callback()
def _gateway(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 -- the callback has done its work
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Short-lived, audited access to encrypted datasets and model weights in S3.

    Example: gateway login && gateway pull dataset/vision/digits@v3 ./digits
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, report what fails on stderr, and return the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in given
    try:
        code = typer.main.get_command(app).main(given, prog_name="gateway", standalone_mode=False)
        sys.stdout.flush()
    except GatewayError as error:
        report(error, as_json=as_json)
        return exit_codes.exit_code(error)
    except ModuleNotFoundError as error:
        missing = _missing_part(error, given)
        report(missing, as_json=as_json)
        return exit_codes.exit_code(missing)
    except typer.TyperException as error:
        report_usage(error, as_json=as_json)
        return exit_codes.USAGE
    except (KeyboardInterrupt, typer.Abort):
        return exit_codes.INTERRUPTED
    except BrokenPipeError:
        _abandon_stdout()
        return exit_codes.UNEXPECTED
    return code if isinstance(code, int) else 0


def _missing_part(error: ModuleNotFoundError, given: Sequence[str]) -> GatewayError:
    """Turn the lack of an optional part into a sentence; the lack of one of our own modules is a bug."""
    if error.name is None or error.name.partition(".")[0] == "gateway":
        raise error
    extra = "dev" if "dev" in given[:1] else "server"
    return InvalidConfiguration(
        f"'gateway {' '.join(given[:1])}' needs {error.name}, which the base install does not bring.",
        hint=f'pip install "ml-data-gateway[{extra}]"',
    )


def _abandon_stdout() -> None:
    """Whoever read our output has left: write the rest to nowhere, so that Python's own last flush is quiet."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
