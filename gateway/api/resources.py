"""Resources, versions, files and tags."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Annotated

import orjson
from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from gateway.api.dependencies import Authenticated, Named, Referred, UseCases
from gateway.api.lines import LINES, NDJSON, encode, told
from gateway.api.problems import RESPONSES
from gateway.api.schemas.catalog import (
    FilesOut,
    ListedOut,
    ResourceOut,
    ResourcesOut,
    ResourceTagsOut,
    ResourceTagsRequest,
    TagOut,
    TagRequest,
    VersionOut,
)
from gateway.model import (
    MAX_PATH_BYTES,
    FileEntry,
    ResourceKind,
    ResourceName,
    Version,
    VersionRef,
    check_name,
    check_tag,
)

router = APIRouter(prefix="/v1", tags=["catalog"], responses=RESPONSES)

Limit = Annotated[int, Query(ge=1, le=1000)]


@router.get("/resources")
async def list_resources(
    broker: UseCases,
    caller: Authenticated,
    kind: ResourceKind | None = None,
    namespace: Annotated[str | None, Query(max_length=80)] = None,
    after: Annotated[str | None, Query(max_length=160)] = None,
    limit: Limit = 100,
) -> ResourcesOut:
    """List the resources that the caller may describe, in the order of their names."""
    listed, last = await broker.browse.resources(
        caller,
        kind=kind,
        namespace=check_name(namespace, "namespace") if namespace is not None else None,
        after=ResourceName.parse(after) if after is not None else None,
        limit=limit,
    )
    return ResourcesOut(resources=[ListedOut.of(item) for item in listed], next=str(last) if last else None)


@router.get("/{kind}/{namespace}/{name}")
async def describe_resource(broker: UseCases, caller: Authenticated, name: Named) -> ResourceOut:
    """Return a resource with its versions, newest first, and its tags."""
    return ResourceOut.of(await broker.browse.describe(caller, name))


@router.get("/{kind}/{namespace}/{name}/versions/{ref}/files")
async def list_files(
    broker: UseCases,
    caller: Authenticated,
    name: Named,
    ref: Referred,
    prefix: Annotated[str, Query(max_length=MAX_PATH_BYTES)] = "",
    after: Annotated[str, Query(max_length=MAX_PATH_BYTES)] = "",
    limit: Limit = 1000,
) -> FilesOut:
    """List a version's files whose paths start with `prefix`, in order."""
    return FilesOut.of(await broker.browse.files(caller, name, ref, prefix=prefix, after=after, limit=limit))


@router.get("/{kind}/{namespace}/{name}/versions/{ref}/files:stream", response_class=StreamingResponse, responses=LINES)
async def stream_files(
    broker: UseCases,
    caller: Authenticated,
    name: Named,
    ref: Referred,
    prefix: Annotated[str, Query(max_length=MAX_PATH_BYTES)] = "",
    after: Annotated[str, Query(max_length=MAX_PATH_BYTES)] = "",
) -> StreamingResponse:
    """List all of a version's files whose paths start with `prefix`, in order, however many, as lines of JSON.

    The first line has the version. The last one counts the files; without it, the answer is not whole.
    """
    version, batches = await broker.browse.all_files(caller, name, ref, prefix=prefix, after=after)
    return StreamingResponse(told(_file_lines(version, batches)), media_type=NDJSON)


async def _file_lines(version: Version, batches: AsyncGenerator[Sequence[FileEntry], None]) -> AsyncIterator[bytes]:
    yield encode({"version": VersionOut.of(version).model_dump(mode="json")})
    count = 0
    async with aclosing(batches):
        async for batch in batches:
            count += len(batch)
            yield b"\n".join([_file_line(entry) for entry in batch]) + b"\n"
    yield encode({"files": count})


def _file_line(entry: FileEntry) -> bytes:
    return orjson.dumps({"path": entry.path, "size": entry.size, "sha256": entry.sha256})


@router.put("/{kind}/{namespace}/{name}/tags/{tag}")
async def move_tag(broker: UseCases, caller: Authenticated, name: Named, tag: str, body: TagRequest) -> TagOut:
    """Make a tag name a version."""
    version = await broker.browse.move_tag(caller, name, check_tag(tag), VersionRef.parse(body.version))
    return TagOut(tag=tag, number=version.number)


@router.patch("/{kind}/{namespace}/{name}/resource-tags")
async def tag_resource(
    broker: UseCases, caller: Authenticated, name: Named, body: ResourceTagsRequest
) -> ResourceTagsOut:
    """Put and remove tags such as sensitivity, owner and licence, which policies decide by."""
    tags = await broker.browse.tag_resource(caller, name, put=body.put, remove=body.remove)
    return ResourceTagsOut(resource_tags=dict(tags))
