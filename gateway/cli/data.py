"""`gateway ls`, `push`, `pull`, `cat`, `link` and `tag`: the data itself."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.console import Json, Profile, Resource, Url, progress_bar, write_json, write_rows
from gateway.cli.ranges import byte_range, closed_range
from gateway.cli.suggest import suggesting
from gateway.client import (
    Gateway,
    LinkLimits,
    Provenance,
    PushReport,
    Reference,
    RemoteFile,
    ResourceDetails,
    ResourceSummary,
)
from gateway.client.throttle import parse_rate
from gateway.errors import InvalidInput
from gateway.model import LinkMode, ResourceKind, Version, check_name, check_resource_tag

_CHUNK_BYTES = 1 << 20

Ref = Annotated[
    Reference,
    typer.Argument(
        metavar="REF",
        parser=Reference.parse,
        help="dataset/NAMESPACE/NAME@VERSION/PATH; without a version, the latest; without a path, all of it.",
    ),
]
FileRef = Annotated[
    Reference,
    typer.Argument(
        metavar="REF",
        parser=Reference.parse,
        help="dataset/NAMESPACE/NAME@VERSION/PATH; without a version, the latest.",
    ),
]
Lease = Annotated[str | None, typer.Option(metavar="ID", help="Ask under this lease.", show_default=False)]
Threads = Annotated[int, typer.Option(min=1, max=64, help="Files at a time.")]
Include = Annotated[
    list[str] | None,
    typer.Option(metavar="PATTERN", help="Only files like 'train/*'; may be repeated. '*' matches '/' too."),
]
Exclude = Annotated[
    list[str] | None, typer.Option(metavar="PATTERN", help="No files like '*.tmp'; may be repeated. It wins.")
]
Rate = Annotated[
    int | None,
    typer.Option(
        "--limit-rate",
        metavar="RATE",
        parser=parse_rate,
        help="Bytes a second at most, like 500K, 50M or 1.5G.",
        show_default=False,
    ),
]


def ls(
    ref: Annotated[str, typer.Argument(help="What to list; nothing lists every dataset and model.")] = "",
    versions: Annotated[bool, typer.Option("--versions", help="List versions and tags instead of files.")] = False,
    as_json: Json = False,
    url: Url = None,
    profile: Profile = None,
) -> None:
    """List datasets and models, the files of a version, or versions and tags.

    Example: gateway ls dataset/vision/digits@v3/train
    """
    scope = ref.rstrip("/")
    if scope.count("/") < 2:  # noqa: PLR2004 -- a resource's name has two
        kind, namespace = _scope(scope)
        with Gateway(url, profile=profile) as gateway:
            _list_resources(gateway.resources(kind=kind, namespace=namespace), as_json=as_json)
        return
    wanted = Reference.parse(ref)
    with Gateway(url, profile=profile) as gateway, suggesting(gateway, wanted):
        if versions:
            _list_versions(gateway.describe(wanted.resource), as_json=as_json)
        else:
            _list_files(gateway.files(wanted), as_json=as_json)


def _scope(text: str) -> tuple[ResourceKind | None, str | None]:
    """Read '', `dataset` or `dataset/vision`."""
    kind, _, namespace = text.partition("/")
    if kind and kind not in set(ResourceKind):
        Reference.parse(text)  # raises, and says what was meant
    return ResourceKind(kind) if kind else None, check_name(namespace, "namespace") if namespace else None


def _list_resources(found: Iterator[ResourceSummary], *, as_json: bool) -> None:
    if as_json:
        for resource in found:
            write_json(resource)
        return
    rows = ((str(r.name), *_version_cells(r.latest), r.description) for r in found)
    write_rows(("NAME", "LATEST", "FILES", "BYTES", "PUBLISHED", "DESCRIPTION"), rows)


def _version_cells(version: Version | None) -> tuple[str, str, str, str]:
    if version is None:
        return ("-", "-", "-", "-")
    published = f"{version.published_at:%Y-%m-%d %H:%M}"
    return (f"v{version.number}", str(version.file_count), str(version.total_bytes), published)


def _list_versions(details: ResourceDetails, *, as_json: bool) -> None:
    if as_json:
        write_json(details)
        return
    names = {
        version.number: ",".join(sorted(tag for tag, number in details.tags.items() if number == version.number))
        for version in details.versions
    }
    write_rows(
        ("VERSION", "FILES", "BYTES", "PUBLISHED", "BY", "TAGS", "MESSAGE"),
        ((*_version_cells(v), v.published_by, names[v.number], v.message) for v in details.versions),
    )


def _list_files(files: Iterator[RemoteFile], *, as_json: bool) -> None:
    if as_json:
        for file in files:
            write_json(file)
        return
    write_rows(("BYTES", "SHA-256", "PATH"), ((str(f.size), f.sha256, f.path) for f in files))


def push(
    sources: Annotated[
        list[Path], typer.Argument(metavar="SOURCE...", help="Files, or one folder whose content is published.")
    ],
    resource: Resource,
    message: Annotated[str, typer.Option("--message", "-m", help="What is new.")] = "",
    tag: Annotated[list[str] | None, typer.Option("--tag", "-t", help="A tag to move to it; may be repeated.")] = None,
    description: Annotated[str, typer.Option(help="What the resource is, when it is new.")] = "",
    include: Include = None,
    exclude: Exclude = None,
    threads: Threads = 8,
    limit_rate: Rate = None,
    made_from: Annotated[
        list[str] | None,
        typer.Option("--from", metavar="REF", help="A version that it is made from; may be repeated."),
    ] = None,
    commit: Annotated[str, typer.Option(metavar="REVISION", help="The revision of the code that made it.")] = "",
    run: Annotated[str, typer.Option(metavar="NAME", help="The run that made it: a name or a URL.")] = "",
    as_json: Json = False,
    url: Url = None,
    profile: Profile = None,
) -> None:
    """Encrypt and publish files as a new version: all of them, or nothing.

    A push that broke off goes on where it was when it is run again within a day.

    Example: gateway push ./digits dataset/vision/digits -m "first release" -t prod
    """
    with Gateway(url, profile=profile) as gateway, progress_bar(f"push {resource}", hidden=as_json) as progress:
        report = gateway.push(
            sources,
            resource,
            message=message,
            tags=tag or [],
            description=description,
            include=include or (),
            exclude=exclude or (),
            threads=threads,
            limit_rate=limit_rate,
            progress=progress,
            provenance=Provenance(commit, run, made_from or ()),
        )
    _tell_push(report, as_json=as_json)


def _tell_push(report: PushReport, *, as_json: bool) -> None:
    if as_json:
        write_json(report)
        return
    version = report.version
    typer.echo(
        f"{version.resource}@v{version.number}: {version.file_count} files, {version.total_bytes} bytes; "
        f"{report.uploaded} uploaded, {report.kept} known already."
    )


def pull(
    ref: Ref,
    folder: Annotated[
        Path | None, typer.Argument(help="Where to; else a folder of the resource's name.", show_default=False)
    ] = None,
    include: Include = None,
    exclude: Exclude = None,
    threads: Threads = 8,
    limit_rate: Rate = None,
    fsync: Annotated[bool, typer.Option("--fsync", help="Wait until each file is on the disk.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Read each file back from the disk, and compare.")] = False,
    lease: Lease = None,
    as_json: Json = False,
    url: Url = None,
    profile: Profile = None,
) -> None:
    """Fetch, decrypt and verify files. What is there already is kept; each file appears whole or not at all.

    A pull that broke off goes on where it was when it is run again.

    Example: gateway pull dataset/vision/digits@v3 ./digits
    """
    target = folder or Path(ref.resource.name)
    with (
        Gateway(url, profile=profile, lease=lease) as gateway,
        suggesting(gateway, ref),
        progress_bar(f"pull {ref}", hidden=as_json) as progress,
    ):
        report = gateway.pull(
            ref,
            target,
            include=include or (),
            exclude=exclude or (),
            threads=threads,
            fsync=fsync,
            verify=verify,
            limit_rate=limit_rate,
            progress=progress,
        )
    if as_json:
        write_json({"folder": str(target), **{name: getattr(report, name) for name in report.__slots__}})
        return
    typer.echo(
        f"{report.version.resource}@v{report.version.number} → {target}: "
        f"{report.pulled} files fetched ({report.pulled_bytes} bytes), {report.kept} there already."
    )


def cat(
    ref: FileRef,
    wanted: Annotated[
        str, typer.Option("--range", metavar="A-B", help="Bytes A to B, both included; also 'A-' and '-LAST'.")
    ] = "",
    lease: Lease = None,
    as_json: Json = False,
    url: Url = None,
    profile: Profile = None,
) -> None:
    """Write a file, or a range of it, to the standard output. With --json, its content is in base64url.

    Example: gateway cat dataset/vision/digits@v3/train.csv --range 0-99
    """
    with Gateway(url, profile=profile, lease=lease) as gateway, suggesting(gateway, ref):
        pieces = _ranged(gateway, ref, wanted) if wanted else gateway.read(ref)
        if as_json:
            write_json({"path": ref.path, "content": b"".join(pieces)})
            return
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()


def _ranged(gateway: Gateway, ref: Reference, wanted: str) -> Iterator[bytes]:
    with gateway.open(ref) as file:
        start, end = byte_range(wanted, file.seek(0, 2))
        file.seek(start)
        while start < end:
            piece = file.read(min(_CHUNK_BYTES, end - start))
            start += len(piece)
            yield piece


def link(
    ref: FileRef,
    mode: Annotated[LinkMode, typer.Option(help="stream: plaintext; direct: ciphertext, with its key in --json.")] = (
        LinkMode.STREAM
    ),
    ttl: Annotated[int, typer.Option(min=1, max=3600, help="Seconds that it lives.")] = 300,
    span: Annotated[
        str, typer.Option("--range", metavar="A-B", help="Bytes A to B alone, both included; stream links only.")
    ] = "",
    network: Annotated[
        str | None,
        typer.Option(metavar="CIDR", help="From this network alone; stream links only.", show_default=False),
    ] = None,
    uses: Annotated[
        int | None, typer.Option(min=1, help="So many downloads alone; stream links only.", show_default=False)
    ] = None,
    bound: Annotated[
        bool, typer.Option("--bound", help="For the holder of this login's key alone (DPoP); stream links only.")
    ] = False,
    lease: Lease = None,
    as_json: Json = False,
    url: Url = None,
    profile: Profile = None,
) -> None:
    """Print a short-lived signed URL to a file. Whoever has it may fetch the file until it expires.

    Example: curl -o train.csv "$(gateway link dataset/vision/digits@v3/train.csv --ttl 60)"
    """
    limits = LinkLimits(closed_range(span) if span else None, network, uses, bound)
    with Gateway(url, profile=profile, lease=lease) as gateway, suggesting(gateway, ref):
        found = gateway.link(ref, mode=mode, ttl_seconds=ttl, limits=limits)
    if as_json:
        write_json(found)
        return
    typer.echo(found.url)


def tag(
    ref: Ref,
    name: Annotated[str, typer.Argument(metavar="TAG", help="A name such as 'prod'.")],
    as_json: Json = False,
    url: Url = None,
    profile: Profile = None,
) -> None:
    """Make a tag name a version.

    Example: gateway tag dataset/vision/digits@v3 prod
    """
    with Gateway(url, profile=profile) as gateway, suggesting(gateway, ref):
        number = gateway.tag(ref, name)
    if as_json:
        write_json({"resource": ref.resource, "tag": name, "number": number})
        return
    typer.echo(f"{ref.resource}@{name} is v{number}.")


def tag_resource(
    resource: Resource,
    tags: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE...", help="Tags to put.", show_default=False)
    ] = None,
    remove: Annotated[list[str] | None, typer.Option(metavar="KEY", help="A tag to remove; may be repeated.")] = None,
    as_json: Json = False,
    url: Url = None,
    profile: Profile = None,
) -> None:
    """Put and remove tags of a dataset or model, which policies decide by; without any, show them.

    Example: gateway tag-resource dataset/vision/scans sensitivity=restricted owner=ada
    """
    put = dict(_key_value(text) for text in tags or [])
    with Gateway(url, profile=profile) as gateway, suggesting(gateway, Reference(resource)):
        if put or remove:
            found = gateway.tag_resource(resource, put, remove=remove or [])
        else:
            found = gateway.describe(resource).resource_tags
    if as_json:
        write_json({"resource": resource, "resource_tags": found})
        return
    write_rows(("KEY", "VALUE"), sorted(found.items()))


def _key_value(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise InvalidInput(f"{text[:80]!r} is no tag.", hint="Write KEY=VALUE; --remove KEY takes one away.")
    return check_resource_tag(key, value)
