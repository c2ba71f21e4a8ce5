"""`gateway lease`: leave to renew links for as long as a job runs."""

import re
from datetime import timedelta
from typing import Annotated

import typer

from gateway.cli.console import Json, Profile, Url, write_json, write_rows
from gateway.client import Gateway, LeaseInfo
from gateway.errors import InvalidInput
from gateway.model import ResourceName

app = typer.Typer(no_args_is_help=True, help="Renew links for as long as a job runs.")

_LIFE = re.compile(r"([1-9][0-9]{0,7})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@app.callback()
def _lease() -> None:
    """Renew links for as long as a job runs.

    Example: gateway lease create dataset/vision/digits --purpose run-4711 --for 3d
    """


def life(text: str) -> int:
    """Return seconds.

    >>> life("3d")
    259200

    Raises:
        InvalidInput: it is no time that we read.
    """
    found = _LIFE.fullmatch(text)
    if found is None:
        raise InvalidInput(f"{text[:40]!r} is no length of time.", hint="Write 90s, 30m, 12h or 3d.")
    return int(timedelta(**{_UNITS[found[2]]: int(found[1])}).total_seconds())


@app.command()
def create(
    resources: Annotated[
        list[str], typer.Argument(metavar="RESOURCE...", help="dataset/NAMESPACE/NAME or model/NAMESPACE/NAME.")
    ],
    purpose: Annotated[str, typer.Option(help="What it is for; policies may ask.")],
    length: Annotated[str, typer.Option("--for", metavar="TIME", help="How long: 90s, 30m, 12h or 3d.")] = "1d",
    as_json: Json = False,
    url: Url = None,
    profile: Profile = None,
) -> None:
    """Take a lease and print its id, for `--lease` and `Gateway(lease=...)`.

    Example: gateway lease create dataset/vision/digits --purpose run-4711 --for 3d
    """
    names = [ResourceName.parse(text) for text in resources]
    with Gateway(url, profile=profile) as gateway:
        made = gateway.leases.create(names, purpose=purpose, ttl_seconds=life(length))
    if as_json:
        write_json(made)
        return
    typer.echo(made.id)


@app.command()
def ls(as_json: Json = False, url: Url = None, profile: Profile = None) -> None:
    """List the leases in force that you may see.

    Example: gateway lease ls
    """
    with Gateway(url, profile=profile) as gateway:
        found = gateway.leases.list()
    if as_json:
        for lease in found:
            write_json(lease)
        return
    write_rows(("ID", "HOLDER", "PURPOSE", "ENDS", "RESOURCES"), map(_row, found))


def _row(lease: LeaseInfo) -> tuple[str, ...]:
    ends = f"{lease.expires_at:%Y-%m-%d %H:%M}"
    return (lease.id, lease.holder, lease.purpose, ends, " ".join(map(str, lease.resources)))


@app.command()
def revoke(
    lease_id: Annotated[str, typer.Argument(metavar="ID", help="As 'gateway lease ls' shows it.")],
    as_json: Json = False,
    url: Url = None,
    profile: Profile = None,
) -> None:
    """End a lease, and every stream link that was issued under it.

    Example: gateway lease revoke 00112233445566778899aabbccddeeff
    """
    with Gateway(url, profile=profile) as gateway:
        gateway.leases.revoke(lease_id)
    if as_json:
        write_json({"lease": lease_id, "revoked": True})
        return
    typer.echo(f"Lease {lease_id} has ended.")
