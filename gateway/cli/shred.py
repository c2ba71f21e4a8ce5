"""`gateway keys shred` and what goes with it: the destruction of a resource's keys, by two people, after a delay."""

import sys
from typing import Annotated

import typer

from gateway.cli.console import Json, Profile, Resource, Url, write_json
from gateway.client import Gateway
from gateway.client.key_answers import ShredInfo
from gateway.errors import InvalidInput
from gateway.model import ResourceName

Confirm = Annotated[
    str, typer.Option("--confirm", metavar="NAME", help="The resource's name once more, in place of typing it.")
]


def shred(
    resource: Resource,
    reason: Annotated[str, typer.Option(help="Why; it is kept in the audit journal.")],
    confirm: Confirm = "",
    as_json: Json = False,
    url: Url = None,
    profile: Profile = None,
) -> None:
    """Ask for a resource's keys to be destroyed, and so for all that it holds. Somebody else must approve it.

    Example: gateway keys shred dataset/vision/scans --reason "erasure request 4711"
    """
    typed = _confirmed(resource, confirm, "Its keys are destroyed, and with them every version of it, for good.")
    with Gateway(url, profile=profile) as gateway:
        found = gateway.keys.shred(resource, confirm=typed, reason=reason)
    _show(resource, found, as_json=as_json)


def approve(
    resource: Resource, confirm: Confirm = "", as_json: Json = False, url: Url = None, profile: Profile = None
) -> None:
    """Approve that a resource's keys are destroyed, which somebody else has asked for.

    Example: gateway keys approve-shred dataset/vision/scans
    """
    with Gateway(url, profile=profile) as gateway:
        asked = gateway.keys.shredding(resource)
        typed = _confirmed(resource, confirm, f"{asked.requested_by} asked for it to be shredded: {asked.reason}")
        found = gateway.keys.approve_shred(resource, confirm=typed)
    _show(resource, found, as_json=as_json)


def undo(resource: Resource, as_json: Json = False, url: Url = None, profile: Profile = None) -> None:
    """Undo a shredding before its time has come.

    Example: gateway keys undo-shred dataset/vision/scans
    """
    with Gateway(url, profile=profile) as gateway:
        gateway.keys.undo_shred(resource)
    if as_json:
        write_json({"resource": resource, "undone": True})
        return
    typer.echo(f"{resource} is not shredded.")


def status(resource: Resource, as_json: Json = False, url: Url = None, profile: Profile = None) -> None:
    """Show how far a shredding is, and when it is done, what each attempt to open its keys ended with.

    Example: gateway keys shred-status dataset/vision/scans
    """
    with Gateway(url, profile=profile) as gateway:
        found = gateway.keys.shredding(resource)
    _show(resource, found, as_json=as_json)


def _confirmed(resource: ResourceName, given: str, what: str) -> str:
    """Return the resource's name as it was typed, by option or at the terminal."""
    if not given and not sys.stdin.isatty():
        raise InvalidInput("It must be confirmed.", hint=f"Add --confirm {resource}.")
    typed = given or typer.prompt(f"{resource}: {what}\nType its name to go on", err=True)
    if typed != str(resource):
        raise InvalidInput("What was typed is not the resource's name; nothing was done.", hint=f"Type {resource}.")
    return typed


def _show(resource: ResourceName, found: ShredInfo, *, as_json: bool) -> None:
    if as_json:
        write_json(found)
        return
    typer.echo(f"{resource}: {found.state}; asked for by {found.requested_by}: {found.reason}")
    if found.approved_by is None:
        typer.echo(f"It waits for somebody else: gateway keys approve-shred {resource}")
        return
    typer.echo(f"Approved by {found.approved_by}, due at {found.due_at:%Y-%m-%d %H:%M} UTC.")
    for attempt, code in found.proof.items():
        typer.echo(f"{attempt}: {code}")
