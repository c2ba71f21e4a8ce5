"""`gateway gc` and `fsck`: what is no longer needed goes, and what is needed is there."""

from datetime import timedelta
from typing import Annotated

import typer

from gateway.cli.console import Json, Profile, Resource, Url, write_json, write_rows
from gateway.cli.data import Ref
from gateway.cli.lease import life
from gateway.cli.suggest import suggesting
from gateway.client import Gateway
from gateway.client.deep import check_deep
from gateway.client.executors import executor
from gateway.errors import IntegrityError


def gc(
    resource: Resource,
    grace: Annotated[str, typer.Option(metavar="TIME", help="How long unreached data stays: 24h, 7d, 0.")] = ("24h"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count, and delete nothing.")] = False,
    as_json: Json = False,
    url: Url = None,
    profile: Profile = None,
) -> None:
    """Delete the data of removed versions and of pushes that came to nothing, unless a version reaches it.

    It may run at any time, beside pushes.

    Example: gateway gc dataset/vision/digits --dry-run
    """
    with Gateway(url, profile=profile) as gateway:
        seconds = 0 if grace == "0" else life(grace)
        done = gateway.history.collect(resource, grace=timedelta(seconds=seconds), dry_run=dry_run)
    if as_json:
        write_json(done)
        return
    verb = "would be deleted" if dry_run else "deleted"
    typer.echo(f"{resource}: {done.objects} objects and {done.packs} packs of pages {verb}, {done.bytes} bytes.")


def fsck(
    ref: Ref,
    deep: Annotated[bool, typer.Option("--deep", help="Read and decrypt every file, and check its SHA-256.")] = False,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="URL", help="A Dask scheduler, tcp://HOST:PORT, for --deep; else this machine's cores."),
    ] = None,
    as_json: Json = False,
    url: Url = None,
    profile: Profile = None,
) -> None:
    """Check that every page and object of a version is there and has its size.

    Example: gateway fsck dataset/vision/digits@v3 --deep
    """
    with Gateway(url, profile=profile) as gateway, suggesting(gateway, ref):
        report = gateway.history.check(ref)
        faults = list(report.faults)
        if deep:
            with executor(scheduler) as pool:
                known = {fault.path for fault in faults}
                faults += [fault for fault in check_deep(gateway, ref, pool) if fault.path not in known]
    if as_json:
        write_json({"version": report.version, "files": report.files, "pages": report.pages, "faults": faults})
    else:
        write_rows(("PATH", "PROBLEM"), ((fault.path, fault.problem) for fault in faults))
    if faults:
        raise IntegrityError(
            f"{ref} has {len(faults)} faults.", hint="A backup of the bucket may have what is missing."
        )
    if not as_json:
        typer.echo(f"{ref} is whole: {report.files} files in {report.pages} pages.")
