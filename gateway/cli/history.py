"""`gateway log`, `diff` and `rm`: a resource's past."""

from typing import Annotated

import typer

from gateway.cli.console import Json, Profile, Url, write_json, write_rows
from gateway.cli.data import Ref
from gateway.cli.suggest import suggesting
from gateway.client import Gateway, Reference
from gateway.client.history import FileChange, LoggedVersion
from gateway.errors import InvalidInput
from gateway.model import VersionRef

_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


def log(
    ref: Ref,
    as_json: Json = False,
    url: Url = None,
    profile: Profile = None,
) -> None:
    """List versions, newest first: who published them, what they were made from, and what was made from them.

    With a version, only that one is shown.

    Example: gateway log model/vision/digits-logreg
    """
    with Gateway(url, profile=profile) as gateway, suggesting(gateway, ref):
        found = [one for one in gateway.history.log(ref.resource) if _is_meant(one, ref)]
    for logged in found:
        if as_json:
            write_json(logged)
        else:
            _show(logged)


def _is_meant(logged: LoggedVersion, ref: Reference) -> bool:
    wanted = ref.version
    if wanted == Reference(ref.resource).version:
        return True  # no version was named
    named = {str(VersionRef(number=logged.version.number)), logged.version.digest, *logged.tags}
    return str(wanted) in named


def _show(logged: LoggedVersion) -> None:
    version = logged.version
    tags = f" ({', '.join(logged.tags)})" if logged.tags else ""
    typer.echo(f"v{version.number}{tags}  {version.published_at:%Y-%m-%d %H:%M}  {version.published_by}")
    hidden = [f"{logged.hidden_inputs} more that you may not see"] if logged.hidden_inputs else []
    rows = {
        "message": [version.message],
        "digest": [version.digest],
        "commit": [version.commit],
        "run": [version.run],
        "from": [*map(str, logged.inputs), *hidden],
        "into": [str(one) for one in logged.outputs],
    }
    for name, values in rows.items():
        for value in filter(None, values):
            typer.echo(f"    {name:8}{value}")


def diff(
    old: Ref,
    new: Annotated[str, typer.Argument(metavar="@VERSION", help="The version to compare with; else the latest.")] = (
        "@latest"
    ),
    as_json: Json = False,
    url: Url = None,
    profile: Profile = None,
) -> None:
    """List the files that differ between two versions of a resource. What they have in common is not read.

    Example: gateway diff dataset/vision/digits@v1 @v2
    """
    if not new.startswith("@"):
        raise InvalidInput(f"{new[:80]!r} is no version of the same resource.", hint="Write @v3, or @ and a tag.")
    with Gateway(url, profile=profile) as gateway, suggesting(gateway, old):
        changes = gateway.history.diff(old, VersionRef.parse(new.removeprefix("@")))
        if as_json:
            for change in changes:
                write_json(change)
            return
        write_rows(("", "OLD BYTES", "NEW BYTES", "PATH"), map(_row, changes))


def _row(change: FileChange) -> tuple[str, ...]:
    sizes = ("-" if size is None else str(size) for size in (change.old_size, change.new_size))
    return (_SIGNS[change.change], *sizes, change.path)


def rm(
    ref: Ref,
    as_json: Json = False,
    url: Url = None,
    profile: Profile = None,
) -> None:
    """Remove a version. Its number is never given again. 'gateway gc' deletes the data that no other version has.

    Example: gateway rm dataset/vision/digits@v1
    """
    if ref.path:
        raise InvalidInput(f"{ref} names a file.", hint="Versions are removed whole; files never change.")
    if ref == Reference(ref.resource):
        raise InvalidInput(f"{ref.resource} names no version.", hint=f"Write {ref.resource}@v1.")
    with Gateway(url, profile=profile) as gateway, suggesting(gateway, ref):
        gateway.history.remove(ref)
    if as_json:
        write_json({"removed": str(ref)})
        return
    typer.echo(f"{ref} is removed. 'gateway gc {ref.resource}' deletes what only it had, once a day has gone by.")
