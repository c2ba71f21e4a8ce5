"""`gateway keys`: the keys that wrap data keys."""

import typer

from gateway.cli.console import Json, Profile, Resource, Url, write_json
from gateway.client import Gateway

app = typer.Typer(no_args_is_help=True, help="Rotate the keys that wrap data keys.")


@app.callback()
def _keys() -> None:
    """Rotate the keys that wrap data keys.

    Example: gateway keys rotate dataset/vision/digits
    """


@app.command()
def rotate(
    resource: Resource,
    as_json: Json = False,
    url: Url = None,
    profile: Profile = None,
) -> None:
    """Add a version to a resource's key-encrypting key and rewrap its data keys. No file is touched or unreadable.

    Example: gateway keys rotate dataset/vision/digits
    """
    with Gateway(url, profile=profile) as gateway:
        done = gateway.rotate_keys(resource)
    if as_json:
        write_json({"resource": resource, "kek_version": done.kek_version, "rewrapped": done.rewrapped})
        return
    typer.echo(f"{resource}: key version {done.kek_version}, {done.rewrapped} data keys rewrapped.")
