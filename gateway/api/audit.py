"""The audit journal, for those who may read it."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from gateway.api.dependencies import Authenticated, UseCases
from gateway.api.problems import RESPONSES

router = APIRouter(prefix="/v1/audit", tags=["audit"], responses=RESPONSES)

NDJSON = "application/x-ndjson"


@router.get(
    "/events",
    response_class=Response,
    responses={200: {"content": {NDJSON: {"schema": {"type": "string"}}}, "description": "Journal lines."}},
)
async def read_events(
    broker: UseCases,
    caller: Authenticated,
    after: Annotated[int, Query(ge=-10_000)] = 0,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> Response:
    """Return the journal's own lines with sequence numbers above `after`, byte for byte, so that they verify.

    A negative `after` counts from the end: -10 are the last ten.
    """
    lines = await broker.review.lines(caller, after=after, limit=limit)
    return Response(b"".join(lines), media_type=NDJSON)
