"""`gateway revoke`: takes back what was given out."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.console import Json, Profile, Url, write_json
from gateway.cli.lease import life
from gateway.client import Gateway
from gateway.errors import InvalidInput
from gateway.model import RevocationKind


def revoke(
    kind: Annotated[RevocationKind | None, typer.Argument(help="What it is.", show_default=False)] = None,
    value: Annotated[
        str,
        typer.Argument(
            help="A link's or lease's id, a dataset's or model's name, ISSUER/NAME of a principal; of logins "
            "ISSUER/SUBJECT, ISSUER/CLIENT, an issuer's alias or a token's jti."
        ),
    ] = "",
    freeze: Annotated[
        str, typer.Option("--freeze", metavar="TIME", help="Give nothing new either, for 90s, 30m, 12h or 3d.")
    ] = "",
    before: Annotated[
        str, typer.Option("--before", metavar="MOMENT", help="Only what was issued up to then: 2026-01-31T12:00:00Z.")
    ] = "",
    rotate: Annotated[
        bool,
        typer.Option("--rotate-signer", help="Replace S3's signing key, on the gateway's own machine: ends all links."),
    ] = False,
    config: Annotated[Path, typer.Option(help="The gateway's settings, for --rotate-signer.")] = Path("gateway.toml"),
    as_json: Json = False,
    url: Url = None,
    profile: Profile = None,
) -> None:
    """Revoke all that was given out on something: known to every gateway within five seconds.

    Direct links that are out live until they end, as S3 takes nothing back, unless the key goes that signed them all.

    Example: gateway revoke principal people/ada --freeze 1h
    """
    if kind is None and not rotate:
        raise InvalidInput("There is nothing to revoke.", hint="Name it, as in 'gateway revoke lease ID'.")
    if kind is not None:
        with Gateway(url, profile=profile) as gateway:
            until = gateway.revoke(
                kind, value, freeze_seconds=life(freeze) if freeze else 0, before=moment(before) if before else None
            )
        if as_json:
            write_json({"kind": kind.value, "value": value, "issued_before": until})
        else:
            typer.echo(f"Revoked: all of {kind} {value} that was issued up to {until:%Y-%m-%d %H:%M:%S} UTC.")
    if rotate:
        _rotate_signer(config, as_json=as_json)


def _rotate_signer(config: Path, *, as_json: bool) -> None:
    from gateway import settings  # noqa: PLC0415 -- the base install has none
    from gateway.storage.rotation import rotate_signer  # noqa: PLC0415 -- the same

    done = rotate_signer(settings.load(config).storage)
    if as_json:
        write_json({"created": done.created, "deleted": done.deleted})
        return
    typer.echo(f"S3's signing key is {done.created} now; links that {done.deleted} signed are dead.")


def moment(text: str) -> datetime:
    """Return a moment in time.

    >>> moment("2026-01-31T12:00:00Z").isoformat()
    '2026-01-31T12:00:00+00:00'

    Raises:
        InvalidInput: it is none, or does not say in which time zone.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise InvalidInput(f"{text[:40]!r} is no moment.", hint="Write it as 2026-01-31T12:00:00Z.")
    return found
