"""The audit journal, for those who may read it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict

from gateway.api.dependencies import Authenticated, UseCases
from gateway.api.problems import RESPONSES
from gateway.audit.question import Question

router = APIRouter(prefix="/v1/audit", tags=["audit"], responses=RESPONSES)

NDJSON = "application/x-ndjson"

Instance = Annotated[str, Query(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


class _Out(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class EventOut(_Out):
    """An event in columns; what it does not say is empty. The journal has it whole, under its number."""

    instance: str
    seq: int
    uid: str
    time: int
    """Milliseconds since 1970 UTC."""
    class_name: str
    who: str
    subject: str
    issuer: str
    kind: str
    session: str
    action: str
    resource: str
    name: str
    version: str
    decision: str
    status: str
    code: str
    statements: str
    origin: str
    request: str
    bytes: int


class EventsOut(BaseModel):
    """A page of events, newest first."""

    events: list[EventOut]
    next: str | None
    """Where to go on (`after`); null at the end."""


class SinkOut(_Out):
    """How a sink is doing."""

    name: str
    seq: int
    """The last record that it was sent."""
    waiting: int
    lag_seconds: float
    dead: int
    """How many events it refused for good."""
    fault: str


class SinksOut(BaseModel):
    """All sinks of this instance."""

    sinks: list[SinkOut]


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


@router.get("/events:search")
async def search_events(
    broker: UseCases,
    caller: Authenticated,
    question: Annotated[Question, Depends()],
    instance: Annotated[list[Instance] | None, Query(max_length=100)] = None,
) -> EventsOut:
    """Return the events to which all that is given applies, newest first, from the journal and its archive.

    `who` is a name or a subject; `resource` is one as policies name it, with all below it; `instance` is this gateway
    unless others are named, whose archive is searched.
    """
    page = await broker.review.search(caller, question, instances=instance or ())
    events = [EventOut.model_validate(event) for event in page.events]
    return EventsOut(events=events, next=str(page.next) if page.next else None)


@router.get("/sinks")
async def list_sinks(broker: UseCases, caller: Authenticated) -> SinksOut:
    """Return how far each sink has come, what waits for it, and why."""
    return SinksOut(sinks=[SinkOut.model_validate(one) for one in await broker.review.sinks(caller)])
