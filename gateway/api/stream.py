"""Stream links: `/d/<token>`, with HTTP's own semantics for ranges and conditions (RFC 9110)."""

import re
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import StreamingResponse

from gateway.api.credentials import announce_nonce, call_of, proof_of
from gateway.api.dependencies import Came, UseCases
from gateway.api.express import Lane
from gateway.api.problems import RESPONSES, answer
from gateway.broker.access import Origin
from gateway.broker.streams import Streams
from gateway.errors import AccessDenied, RangeNotSatisfiable
from gateway.links.byte_range import ByteRange, parse_range, unsatisfied_range
from gateway.links.claims import StreamClaims
from gateway.links.disposition import attachment
from gateway.links.preconditions import Precondition, entity_tag, evaluate, range_applies
from gateway.links.stream import MAX_TOKEN_CHARS

router = APIRouter(tags=["stream links"])
PREFIX = "/d/"

_ANSWERS: dict[int | str, dict[str, object]] = {
    **{status: RESPONSES[status] for status in (401, 403, 422, 502, 503)},
    200: {"content": {"application/octet-stream": {}}, "description": "The file."},
    206: {"content": {"application/octet-stream": {}}, "description": "A range of it."},
    304: {"description": "The client has it already."},
    410: {**RESPONSES[403], "description": "The link has expired."},
    412: {"description": "A condition does not hold."},
    416: {**RESPONSES[400], "description": "No byte of the file is in the range."},
}


@router.head("/d/{token}", responses=_ANSWERS, response_class=Response)
@router.get("/d/{token}", responses=_ANSWERS, response_class=Response)
async def follow_link(
    request: Request, broker: UseCases, origin: Came, token: Annotated[str, Path(max_length=MAX_TOKEN_CHARS)]
) -> Response:
    """Send the file, or a range of it, decrypted. The link is all that is asked for."""
    claims, nonce = await broker.streams.open(token, call_of(request), origin, proof=proof_of(request))
    announce_nonce(request, nonce)
    file = claims.grant.file
    etag = entity_tag(file.sha256)
    headers = {
        "accept-ranges": "bytes",
        "cache-control": "private, no-store",
        "content-disposition": attachment(file.path),
        "etag": etag,
    }
    sent = request.headers
    condition = evaluate(etag, if_match=sent.get("if-match"), if_none_match=sent.get("if-none-match"))
    if condition is not Precondition.PROCEED:
        await broker.streams.note_unread(claims, origin)
        failed = condition is Precondition.FAILED
        status = HTTPStatus.PRECONDITION_FAILED if failed else HTTPStatus.NOT_MODIFIED
        return Response(status_code=status, headers=headers)
    try:
        span = _span(request, etag, file.size)
    except RangeNotSatisfiable as error:
        await broker.streams.note_unread(claims, origin)
        refused = {"content-range": unsatisfied_range(file.size)}
        status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
        return answer(request, status, error.code, error.message, error.hint, headers=refused)
    headers["content-length"] = str(span.end - span.start if span else file.size)
    if span:
        headers["content-range"] = span.content_range
    status = HTTPStatus.PARTIAL_CONTENT if span else HTTPStatus.OK
    if request.method == "HEAD":
        await broker.streams.note_unread(claims, origin)
        return Response(status_code=status, headers=headers, media_type="application/octet-stream")
    body = await _body(broker.streams, claims, span, origin)
    return StreamingResponse(body, status, headers=headers, media_type="application/octet-stream")


LANE = Lane(frozenset({"GET", "HEAD"}), re.compile(rf"/d/(?P<token>[^/]{{1,{MAX_TOKEN_CHARS}}})"), follow_link)


@router.api_route("/d/{token}", methods=["DELETE", "PATCH", "POST", "PUT"], include_in_schema=False)
async def refuse_method(request: Request, broker: UseCases, origin: Came, token: str) -> Response:
    """Refuse any other method, once that is recorded."""
    try:
        await broker.streams.open(token, call_of(request), origin)
    except AccessDenied as error:
        allowed = {"allow": "GET, HEAD"}
        return answer(request, HTTPStatus.METHOD_NOT_ALLOWED, error.code, error.message, error.hint, headers=allowed)
    raise AssertionError("A link allowed a method that it is not for.")


def _span(request: Request, etag: str, size: int) -> ByteRange | None:
    # RFC 9110 14.2: Range is for GET alone; a HEAD is answered as a GET without it.
    if request.method != "GET" or not range_applies(etag, if_range=request.headers.get("if-range")):
        return None
    return parse_range(request.headers.get("range"), size=size)


async def _body(streams: Streams, claims: StreamClaims, span: ByteRange | None, origin: Origin) -> AsyncIterator[bytes]:
    start, end = (span.start, span.end) if span else (0, claims.grant.file.size)
    return await streams.read(claims, start, end, origin)
