"""`gateway audit prove` and `check-proof`: a record with all that a third party needs to believe it."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.audit.entry import read_entry
from gateway.audit.note import VerifierKey
from gateway.audit.proof import check_proof
from gateway.audit.prove import prove
from gateway.audit.segments import list_journals
from gateway.cli.console import Json, write_json
from gateway.errors import InvalidInput, LocalFileError

_MAX_KEY_FILE_BYTES = 1 << 16

PublicKeys = Annotated[
    list[str] | None,
    typer.Option(
        "--public-key",
        metavar="KEY",
        help="The log's verifier key (NAME+ID+KEY), or a file with one a line. May be given again.",
        show_default=False,
    ),
]


def read_keys(given: list[str]) -> list[VerifierKey]:
    """Return the keys that are given as such, or in files.

    Raises:
        LocalFileError: a file cannot be read.
        InvalidProof: one is no verifier key.
    """
    return [VerifierKey.parse(line) for line in key_lines(given)]


def key_lines(given: list[str]) -> list[str]:
    """Return the lines, each a key, that are given as such, or in files. Raises `LocalFileError`."""
    lines = (line for text in given for line in (text.splitlines() if "+" in text else _lines(text)))
    return [line for line in lines if line.strip()]


def read_small(path: Path, limit: int) -> bytes:
    """Return a file's bytes. Raises `LocalFileError`: it cannot be read, or is larger than that."""
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise LocalFileError(f"{path} cannot be read: {error.strerror}.") from error
    if len(content) > limit:
        raise LocalFileError(f"{path} is larger than {limit:,} bytes.")
    return content


def _lines(path: str) -> list[str]:
    return read_small(Path(path), _MAX_KEY_FILE_BYTES).decode(errors="replace").splitlines()


def prove_event(
    event: Annotated[str, typer.Argument(help="A record's number, or an event's metadata.uid.")],
    journal: Annotated[Path, typer.Option("--journal", metavar="PATH", help="The journal's folder on this machine.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Where to write it; else the standard output.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write it as one JSON value, instead.")] = False,
) -> None:
    """Write a proof that a record is in the signed journal (C2SP tlog-proof). It holds the record.

    Example: gateway audit prove 4711 --journal /var/lib/gateway/audit -o 4711.tlog-proof
    """
    found = [folder for folder in list_journals(journal) if folder.is_dir()]
    if len(found) != 1:
        raise InvalidInput(f"{journal} is not one journal's folder.", hint="Name the folder of one instance.")
    proof = prove(found[0], event)
    if as_json:
        write_json({"event": event, "proof": proof.decode()})
        return
    if out is None:
        sys.stdout.buffer.write(proof)
        return
    try:
        out.write_bytes(proof)
    except OSError as error:
        raise LocalFileError(f"{out} cannot be written: {error.strerror}.") from error


def check_event(
    file: Annotated[Path, typer.Argument(help="What `gateway audit prove` wrote.")],
    keys: PublicKeys = None,
    as_json: Json = False,
) -> None:
    """Check a proof with the log's public key alone, and show the event.

    Example: gateway audit check-proof 4711.tlog-proof --public-key gateway.vkey
    """
    if not keys:
        raise InvalidInput("A proof shows nothing without the log's key.", hint="Name it: --public-key FILE.")
    proven = check_proof(read_small(file, 1 << 23), read_keys(keys))
    checkpoint = proven.checkpoint
    if as_json:
        log = {"origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.hex()}
        write_json({"holds": True, "seq": proven.record.seq, "checkpoint": log, "event": proven.record.read_event()})
        return
    entry = read_entry(proven.record)
    where = f"the log {checkpoint.origin}"
    typer.echo(f"Record {entry.seq} is in {where}, as its checkpoint over {checkpoint.size} records says:")
    typer.echo(f"{entry.time:%Y-%m-%d %H:%M:%S} UTC  " if entry.time else "", nl=False)
    typer.echo("  ".join(filter(None, (entry.who, entry.action, entry.resource, entry.decision, entry.status))))
