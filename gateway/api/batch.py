"""Links by the thousand, as lines of JSON that are sent while they are signed (NDJSON)."""

import json
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from gateway.api.dependencies import Authenticated, UseCases
from gateway.api.express import Lane
from gateway.api.problems import RESPONSES
from gateway.api.schemas.catalog import VersionOut
from gateway.api.schemas.links import BatchRequest
from gateway.api.schemas.wire import base64url
from gateway.broker.batch import Answer, End, Refused, Signed
from gateway.envelope import ciphertext_size
from gateway.errors import GatewayError
from gateway.model import LinkMode, Version

router = APIRouter(prefix="/v1", tags=["links"], responses=RESPONSES)

NDJSON = "application/x-ndjson"
_ANSWER: dict[int | str, dict[str, object]] = {
    200: {"content": {NDJSON: {"schema": {"type": "string"}}}, "description": "A line a file."},
}


@router.post("/links:batch", response_class=StreamingResponse, responses=_ANSWER)
async def issue_batch(broker: UseCases, caller: Authenticated, body: BatchRequest) -> StreamingResponse:
    """Issue links to all files below a prefix, or to a list of them, all of one version.

    The first line has the version. Then comes a line a file: with its link, or with the code of what refuses it. The
    last line counts them and says where to go on (`next`: the next request's `after`, with the version's digest to
    stay on it); without it, the answer is not whole. The same request, sent again, renews its links.
    """
    version, answers = await broker.batch.open(caller, body.wanted())
    return StreamingResponse(_lines(version, body.mode, answers), media_type=NDJSON)


LANE = Lane(frozenset({"POST"}), re.compile("/v1/links:batch"), issue_batch)


async def _lines(version: Version, mode: LinkMode, answers: AsyncGenerator[Answer, None]) -> AsyncIterator[bytes]:
    yield _json({"version": VersionOut.of(version).model_dump(mode="json"), "mode": mode.value})
    async with aclosing(answers):
        try:
            async for answer in answers:
                yield _encode(answer)
        except GatewayError as error:
            yield _json({"code": error.code, "detail": error.message, "hint": error.hint})


def _encode(answer: Answer) -> bytes:
    match answer:
        case Signed():
            return _signed(answer)
        case Refused(path, error):
            return _json({"path": path, "code": error.code, "detail": error.message})
        case End(links, refused, after):
            return _json({"links": links, "refused": refused, "next": after})


def _signed(signed: Signed) -> bytes:
    """Return the links' lines, put together by hand: of all that is in them, only a path needs to be escaped."""
    expires_at = signed.expires_at.isoformat().replace("+00:00", "Z")
    keys = signed.object_keys
    opened = [f'"object_key":"{base64url(key)}",' for key in keys] if keys else [""] * len(signed.urls)
    return "".join(
        f'{{"path":{json.dumps(entry.path)},"size":{entry.size},"sha256":"{entry.sha256}","url":"{url}",{key}'
        f'"key_check":"{entry.key_check}","ciphertext_size":{ciphertext_size(entry.size)},"expires_at":"{expires_at}"}}\n'
        for entry, url, key in zip(signed.entries, signed.urls, opened, strict=True)
    ).encode()


def _json(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"
