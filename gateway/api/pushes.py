"""Publishing: pushes, their objects, and the commit."""

import re
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect

from gateway.api.dependencies import Authenticated, Named, PushId, UseCases
from gateway.api.problems import RESPONSES
from gateway.api.schemas.catalog import VersionOut
from gateway.api.schemas.publishing import (
    CommitOut,
    CompleteRequest,
    KeptFileLine,
    NewFileLine,
    ObjectNumber,
    ObjectsOut,
    ObjectsRequest,
    PartLinkOut,
    PartsOut,
    PartsRequest,
    PushOut,
    PushRequest,
    PutLinkOut,
    UploadOut,
)
from gateway.api.schemas.wire import Shown, base64url
from gateway.broker.coming import KeptFile, NewFile
from gateway.broker.provenance import Provenance
from gateway.broker.publish import PART_BYTES
from gateway.errors import InvalidInput
from gateway.model import check_tag, parse_versioned

router = APIRouter(prefix="/v1/{kind}/{namespace}/{name}/pushes", tags=["publishing"], responses=RESPONSES)

COMMIT_PATH = re.compile(r"/v1/[^/]+/[^/]+/[^/]+/pushes/[0-9a-f]{32}/commit")
MAX_LINE_BYTES = 16 << 10
MAX_FILES = 10_000_000

_line: TypeAdapter[NewFileLine | KeptFileLine] = TypeAdapter(NewFileLine | KeptFileLine)


@router.post("", status_code=HTTPStatus.CREATED)
async def open_push(broker: UseCases, caller: Authenticated, name: Named, body: PushRequest) -> PushOut:
    """Open a push; the resource and its keys are made if they are new."""
    push, base = await broker.publish.open(caller, name, description=body.description)
    return PushOut(
        push_id=push.id,
        expires_at=push.expires_at,
        base=VersionOut.of(base) if base else None,
        part_bytes=PART_BYTES,
    )


@router.post("/{push_id}/objects")
async def add_objects(
    broker: UseCases, caller: Authenticated, name: Named, push_id: PushId, body: ObjectsRequest
) -> ObjectsOut:
    """Reserve an object for each size; each comes with its key, and where to PUT it."""
    uploads = await broker.publish.add_objects(caller, name, push_id, body.sizes)
    return ObjectsOut(objects=[UploadOut.of(upload) for upload in uploads])


@router.post("/{push_id}/objects/{number}/parts")
async def link_parts(
    broker: UseCases, caller: Authenticated, name: Named, push_id: PushId, number: ObjectNumber, body: PartsRequest
) -> PartsOut:
    """Link to parts of an object that is too long for one PUT."""
    key, links = await broker.publish.part_links(caller, name, push_id, number, size=body.size, parts=body.parts)
    return PartsOut(
        object_key=base64url(key),
        links=[PartLinkOut(part=part, size=size, **PutLinkOut.of(link).model_dump()) for part, size, link in links],
    )


@router.post("/{push_id}/objects/{number}/complete", status_code=HTTPStatus.NO_CONTENT)
async def complete_object(
    broker: UseCases, caller: Authenticated, name: Named, push_id: PushId, number: ObjectNumber, body: CompleteRequest
) -> None:
    """Join the parts of an object."""
    await broker.publish.finish_object(caller, name, push_id, number, body.etags)


@router.post(
    "/{push_id}/commit",
    status_code=HTTPStatus.CREATED,
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "A line of JSON for each file: `NewFileLine` or `KeptFileLine`.",
            "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
        }
    },
)
async def commit(
    broker: UseCases,
    caller: Authenticated,
    name: Named,
    push_id: PushId,
    request: Request,
    message: Annotated[Shown, Query()] = "",
    tag: Annotated[list[str] | None, Query(max_length=20)] = None,
    revision: Annotated[Shown, Query(alias="commit", max_length=200)] = "",
    run: Annotated[Shown, Query(max_length=1000)] = "",
    made_from: Annotated[list[str] | None, Query(alias="from", max_length=100)] = None,
) -> CommitOut:
    """Make the files a version. The tag `latest` moves to it, and so do the tags named here.

    `commit` and `run` say what made it, `from` (`dataset/NAMESPACE/NAME@VERSION`, any number of times) out of what.
    """
    tags = [check_tag(text) for text in tag or []]
    provenance = Provenance(revision, run, [parse_versioned(text) for text in made_from or []])
    version = await broker.publish.commit(
        caller, name, push_id, _files(request), message=message, tags=tags, provenance=provenance
    )
    return CommitOut(version=VersionOut.of(version))


@router.delete("/{push_id}", status_code=HTTPStatus.NO_CONTENT)
async def abort(broker: UseCases, caller: Authenticated, name: Named, push_id: PushId) -> None:
    """Close a push without publishing."""
    await broker.publish.abort(caller, name, push_id)


async def _files(request: Request) -> AsyncIterator[NewFile | KeptFile]:
    count = 0
    async for line in _lines(request):
        count += 1
        if count > MAX_FILES:
            raise InvalidInput(f"A version may have {MAX_FILES:,} files.")
        yield _file(count, line)


def _file(number: int, line: bytes) -> NewFile | KeptFile:
    try:
        parsed = _line.validate_json(line)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise InvalidInput(f"Line {number} of the commit is no file: {reason}.") from error
    if isinstance(parsed, NewFileLine):
        return NewFile(parsed.path, parsed.size, parsed.sha256, parsed.object)
    return KeptFile(parsed.path, parsed.source.version, parsed.source.path)


async def _lines(request: Request) -> AsyncIterator[bytes]:
    """Yield the body's lines without their ends, never holding more than one chunk and one line."""
    rest = b""
    async for chunk in _chunks(request):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line
        if len(rest) > MAX_LINE_BYTES:
            raise InvalidInput(f"A line of the commit is over {MAX_LINE_BYTES:,} bytes.")
    if rest:
        yield rest


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    try:
        async for chunk in request.stream():
            yield chunk
    except ClientDisconnect as error:
        # What came may look whole; it is not what was meant.
        raise InvalidInput("The commit's body broke off.", hint="Send it again: nothing was published.") from error
