"""An auditor's look is decided for each journal, and is itself an event."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from fastapi import FastAPI

from gateway.api import audit, problems
from gateway.api.dependencies import _trace_id, authenticated, the_broker
from gateway.api.middleware import Envelop
from gateway.audit.journal import Journal
from gateway.audit.question import Question
from gateway.audit.searching import Searching
from gateway.audit.sinks.fleet import Outside, Sinks, deliveries_of
from gateway.broker.access import Caller, Guard, Origin
from gateway.broker.review import Review
from gateway.errors import AccessDenied
from gateway.model import Decision, Outcome, Principal, PrincipalKind
from gateway.settings import FileSinkSettings
from gateway.storage.memory import MemoryObjectStore

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
OTTO = Caller(Principal("people", "1", PrincipalKind.USER, "otto"), Origin("req-1", "127.0.0.1", secure=True))


class Policy:
    """Lets the auditor read this instance's journal."""

    def decide(self, request):
        allowed = request.resource == "audit/gateway-1" and request.action == "gateway:ReadAudit"
        return Decision(Outcome.ALLOW if allowed else Outcome.IMPLICIT_DENY)


@pytest.fixture
async def review(tmp_path):
    async with Journal(tmp_path, instance="gateway-1", clock=lambda: NOON) as journal:
        searching = Searching(tmp_path / "gateway-1", instance="gateway-1", objects=None, copies=tmp_path / "copies")
        sink = FileSinkSettings(name="siem", kind="file", path=tmp_path / "missing" / "x")
        outside = Outside(journal, MemoryObjectStore(), lambda: NOON + timedelta(minutes=1), tmp_path / "sinks")
        sinks = Sinks(deliveries_of([sink], outside))
        yield Review(Guard(Policy(), journal, lambda: NOON), journal, searching, sinks)


@pytest.fixture
async def client(review):
    app = FastAPI()
    app.state.public_url = "http://gateway"
    app.include_router(audit.router)
    problems.install(app)
    app.add_middleware(Envelop)
    app.dependency_overrides[authenticated] = lambda: OTTO
    app.dependency_overrides[the_broker] = type("Broker", (), {"review": review})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://gateway") as client:
        yield client


async def test_each_named_journal_is_decided(review):
    with pytest.raises(AccessDenied):
        await review.search(OTTO, Question(), instances=["gateway-1", "gateway-2"])
    found = await review.search(OTTO, Question(refused=True))
    assert [one.resource for one in found.events] == ["audit/gateway-2", "audit/gateway-1"]


async def test_a_look_is_an_event(review):
    await review.search(OTTO, Question())
    await review.sinks(OTTO)
    found = await review.search(OTTO, Question(who="otto"))
    assert [(one.action, one.decision) for one in found.events] == [("gateway:ReadAudit", "Allowed")] * 2


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "since=2026-03-01T12:00:00",
        "instance=../x",
        "who=" + "x" * 2049,
        "after=" + "1" * 101,
    ],
)
async def test_a_question_is_bounded_before_it_is_decided(client, query):
    assert (await client.get(f"/v1/audit/events:search?{query}")).status_code == 422
    assert (await client.get("/v1/audit/events:search?after=x")).status_code == 400


async def test_pages_over_http(client, review):
    for _ in range(3):
        await review.sinks(OTTO)
    seqs, after = [], ""
    while after is not None:
        answer = (
            await client.get("/v1/audit/events:search", params={"limit": 2, "who": "otto", "after": after})
        ).json()
        seqs += [event["seq"] for event in answer["events"]]
        after = answer["next"]
    assert seqs == [4, 3, 2]


async def test_sinks_over_http(client):
    answer = (await client.get("/v1/audit/sinks")).json()
    assert answer == {"sinks": [{"name": "siem", "seq": 0, "waiting": 1, "lag_seconds": 60.0, "dead": 0, "fault": ""}]}


async def test_the_journals_own_lines(client, review):
    lines = (await client.get("/v1/audit/events?limit=1")).content
    assert list(await review.lines(OTTO, after=0, limit=1)) == [lines]


@pytest.mark.parametrize(
    ("traceparent", "told"),
    [
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "0af7651916cd43dd8448eb211c80319c"),
        ("00-00000000000000000000000000000000-b7ad6b7169203331-01", ""),
        ("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", ""),
        ("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", ""),
        ("' OR 1=1", ""),
        ("", ""),
    ],
)
def test_a_trace_is_believed_in_one_form_alone(traceparent, told):
    assert _trace_id(traceparent) == told
