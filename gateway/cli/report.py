"""How the command line says what went wrong: `error: …` and `hint: …` on stderr, or a JSON problem with --json."""

import json
import sys

import typer

from gateway.cli import exit_codes
from gateway.errors import GatewayError


def report(error: GatewayError, *, as_json: bool) -> None:
    """Write the error to stderr."""
    _write(error.code, error.message, error.hint, exit_codes.exit_code(error), as_json=as_json)


def report_usage(error: typer.TyperException, *, as_json: bool) -> None:
    """Write to stderr what is wrong with the command line."""
    message = error.format_message()
    if not message:
        return  # a group without a command has shown its help
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "gateway"
    _write("usage", message, f"'{command} --help' shows how.", exit_codes.USAGE, as_json=as_json)


def _write(code: str, message: str, hint: str, number: int, *, as_json: bool) -> None:
    if as_json:
        problem = {"type": "about:blank", "code": code, "detail": message, "hint": hint, "exit_code": number}
        sys.stderr.write(json.dumps(problem, ensure_ascii=False) + "\n")
        return
    sys.stderr.write(f"error: {message}\n" + (f"hint: {hint}\n" if hint else ""))
