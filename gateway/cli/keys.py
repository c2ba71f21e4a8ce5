"""`gateway keys`: how a resource's keys stand, rotation, new epochs, and re-encryption."""

import sys
import time
from typing import Annotated

import typer

from gateway.cli import shred
from gateway.cli.console import Json, Profile, Resource, Url, write_json, write_rows
from gateway.cli.lease import life
from gateway.client import Gateway
from gateway.client.key_answers import KeyStatus, ReencryptionInfo, Rotated
from gateway.clock import utc_now
from gateway.errors import GatewayError, IntegrityError, InvalidInput, Unavailable
from gateway.model import ReencryptionState, ResourceName

app = typer.Typer(no_args_is_help=True, help="Look after keys: rotate, re-encrypt, shred.")
app.command()(shred.shred)
app.command("approve-shred")(shred.approve)
app.command("undo-shred")(shred.undo)
app.command("shred-status")(shred.status)

_FOLLOW_EVERY_SECONDS = 1.0
_UNDER_WAY = {ReencryptionState.RUNNING, ReencryptionState.SETTLING}

Some = Annotated[
    ResourceName | None,
    typer.Argument(
        parser=ResourceName.parse, help="dataset/NAMESPACE/NAME or model/NAMESPACE/NAME.", show_default=False
    ),
]


@app.callback()
def _keys() -> None:
    """Look after keys: how they stand, rotation, new epochs, re-encryption and shredding.

    Example: gateway keys rotate dataset/vision/digits
    """


@app.command()
def status(
    resource: Resource,
    count: Annotated[
        bool, typer.Option("--count/--no-count", help="Count objects, which reads every manifest.")
    ] = True,
    as_json: Json = False,
    url: Url = None,
    profile: Profile = None,
) -> None:
    """Show what hangs on each version of a resource's key-encrypting key and on each epoch, and what is due.

    Example: gateway keys status dataset/vision/digits
    """
    with Gateway(url, profile=profile) as gateway:
        found = gateway.keys.status(resource, count=count)
    if as_json:
        write_json(found)
        return
    _show(found)


def _show(found: KeyStatus) -> None:
    now = utc_now()
    write_rows(
        ("KEY VERSION", "AGE", "DATA KEYS", "OBJECTS", "BYTES"),
        (
            (
                f"version {one.version}",
                f"{(now - one.made_at).days} d",
                str(one.data_keys),
                _number(one.objects),
                _number(one.bytes),
            )
            for one in found.kek_versions
        ),
    )
    write_rows(
        ("EPOCH", "AGE", "KEY VERSION", "OPEN PUSHES", "OBJECTS", "BYTES"),
        (
            (
                f"epoch {one.epoch}",
                f"{(now - one.made_at).days} d",
                f"version {one.kek_version}",
                str(one.open_pushes),
                _number(one.objects),
                _number(one.bytes),
            )
            for one in found.epochs
        ),
    )
    late = " (overdue)" if found.due_at <= now else ""
    typer.echo(f"The next rotation is due on {found.due_at:%Y-%m-%d}{late}.")
    if found.reencryption:
        typer.echo(_told(found.reencryption))
    if found.shred:
        typer.echo(f"A shredding is {found.shred.state}.")


def _number(count: int | None) -> str:
    return "-" if count is None else str(count)


@app.command()
def rotate(
    resource: Some = None,
    every: Annotated[
        bool, typer.Option("--all", help="Rotate every key that is as old as --older-than, as far as you may.")
    ] = False,
    older_than: Annotated[
        str, typer.Option(metavar="TIME", help="With --all: 12h or 90d. What was rotated is young, so run it again.")
    ] = "90d",
    after: Annotated[
        ResourceName | None,
        typer.Option(parser=ResourceName.parse, metavar="NAME", help="With --all: go on after this one."),
    ] = None,
    rate: Annotated[float | None, typer.Option(min=0.1, help="With --all: resources a second, at most.")] = None,
    as_json: Json = False,
    url: Url = None,
    profile: Profile = None,
) -> None:
    """Add a version to a resource's key-encrypting key and rewrap its data keys. No file is touched or unreadable.

    Example: gateway keys rotate dataset/vision/digits
    """
    if (resource is None) is not every:
        raise InvalidInput("Name one resource, or rotate --all.", hint="gateway keys rotate dataset/NAMESPACE/NAME")
    with Gateway(url, profile=profile) as gateway:
        if resource is None:
            _rotate_all(gateway, life(older_than), after, rate, as_json=as_json)
            return
        done = gateway.keys.rotate(resource)
    if as_json:
        write_json({"resource": resource, "kek_version": done.kek_version, "rewrapped": done.rewrapped})
        return
    typer.echo(f"{resource}: key version {done.kek_version}, {done.rewrapped} data keys rewrapped.")


def _rotate_all(
    gateway: Gateway, older_than: int, after: ResourceName | None, rate: float | None, *, as_json: bool
) -> None:
    seen = rotated = failed = 0
    last = after
    try:
        for one in gateway.keys.rotate_due(older_than_seconds=older_than, after=after, per_second=rate):
            seen, last = seen + 1, one.name
            rotated += one.rotated
            failed += bool(one.failure)
            _tell(one, as_json=as_json)
            if not as_json and sys.stderr.isatty():
                sys.stderr.write(f"\r{seen} looked at, {rotated} rotated")
    except (GatewayError, KeyboardInterrupt):
        if last is not None:
            sys.stderr.write(f"\nIt came as far as {last}: go on with --after {last}, or run it again.\n")
        raise
    if not as_json:
        typer.echo(f"{seen} keys looked at, {rotated} rotated, {failed} failed.")
    if failed:
        raise Unavailable(f"{failed} of {seen} keys could not be rotated.", hint="Run it again.")


def _tell(one: Rotated, *, as_json: bool) -> None:
    if as_json:
        write_json(one)
    elif one.failure:
        sys.stderr.write(f"{one.name}: {one.failure}\n")


@app.command("new-epoch")
def new_epoch(resource: Resource, as_json: Json = False, url: Url = None, profile: Profile = None) -> None:
    """Make a new data key for what is pushed from now on. What is there stays as it is, until it is re-encrypted.

    Example: gateway keys new-epoch dataset/vision/digits
    """
    with Gateway(url, profile=profile) as gateway:
        epoch = gateway.keys.new_epoch(resource)
    if as_json:
        write_json({"resource": resource, "epoch": epoch})
        return
    typer.echo(f"{resource}: new objects are encrypted under epoch {epoch}.")


@app.command()
def retire(resource: Resource, as_json: Json = False, url: Url = None, profile: Profile = None) -> None:
    """Let only the newest version of the key-encrypting key open data keys. Refused while one needs an older version.

    Example: gateway keys retire dataset/vision/digits
    """
    with Gateway(url, profile=profile) as gateway:
        oldest = gateway.keys.retire(resource)
    if as_json:
        write_json({"resource": resource, "oldest_kek_version": oldest})
        return
    typer.echo(f"{resource}: versions before {oldest} open nothing any more.")


@app.command()
def reencrypt(
    resource: Resource,
    rate: Annotated[int | None, typer.Option(min=1, metavar="BYTES", help="Bytes a second, at most.")] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Show how far it is until all objects are moved.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="Stop it. What was moved is moved.")] = False,
    as_json: Json = False,
    url: Url = None,
    profile: Profile = None,
) -> None:
    """Move a resource's objects to its newest epoch, in the background of the gateway. Readers notice nothing.

    Example: gateway keys reencrypt dataset/vision/digits --rate 100000000 --follow
    """
    with Gateway(url, profile=profile) as gateway:
        if stop:
            gateway.keys.stop_reencryption(resource)
            job = gateway.keys.reencryption(resource)
        elif follow:
            job = _follow(gateway, resource, rate)
        else:
            job = gateway.keys.reencrypt(resource, bytes_per_second=rate)
    if as_json:
        write_json(job)
    else:
        typer.echo(_told(job))
    if job.state is ReencryptionState.FAILED or job.failed:
        raise IntegrityError(f"{job.failed} objects of {resource} were not moved.", hint=job.failure)


def _follow(gateway: Gateway, resource: ResourceName, rate: int | None) -> ReencryptionInfo:
    """Begin it unless it is under way, and show it until all objects are moved."""
    status = gateway.keys.status(resource, count=False)
    job = status.reencryption
    if job is None or job.state not in _UNDER_WAY:
        job = gateway.keys.reencrypt(resource, bytes_per_second=rate)
    while job.state is ReencryptionState.RUNNING:
        time.sleep(_FOLLOW_EVERY_SECONDS)
        job = gateway.keys.reencryption(resource)
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{job.moved} of {job.objects} objects, {job.moved_bytes:,} of {job.bytes:,} bytes")
    return job


def _told(job: ReencryptionInfo) -> str:
    done = f"{job.moved} of {job.objects} objects ({job.moved_bytes:,} of {job.bytes:,} bytes) are in epoch {job.epoch}"
    more = {
        ReencryptionState.RUNNING: "more are being moved",
        ReencryptionState.SETTLING: "old copies stay until no link to one is good",
        ReencryptionState.STOPPED: "it was stopped",
        ReencryptionState.FAILED: f"{job.failed} could not be moved",
        ReencryptionState.DONE: "old copies are gone",
    }
    return f"{done}; {more[job.state]}."
