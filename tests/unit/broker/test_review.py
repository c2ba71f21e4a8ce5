"""An auditor's look is decided for each journal, and is itself an event."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI

from gateway.api import audit, problems, tree
from gateway.api.dependencies import _trace_id, authenticated, the_broker
from gateway.api.middleware import Envelop
from gateway.audit.checkpoint import Checkpoint, open_checkpoint
from gateway.audit.journal import Journal
from gateway.audit.merkle import Frontier, leaf_hash
from gateway.audit.note import VerifierKey, add_signature
from gateway.audit.proof import check_proof
from gateway.audit.question import Question
from gateway.audit.record import entry_of
from gateway.audit.searching import Searching
from gateway.audit.segments import read_lines
from gateway.audit.sinks.fleet import Outside, Sinks, deliveries_of
from gateway.audit.tree import GrowingTree
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
    """Lets the auditor read this instance's journal, and its tree."""

    allowed = ("audit/gateway-1", "audit/gateway-1/tree")

    def decide(self, request):
        allowed = request.resource in self.allowed and request.action == "gateway:ReadAudit"
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
    app.include_router(tree.router)
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
        "limit=ten",
        "since=2026-03-01T12:00:00",
        "since=yesterday",
        "instance=../x",
        "who=" + "x" * 2049,
        "after=" + "1" * 101,
        "after=x",
    ],
)
async def test_a_question_is_bounded_before_it_is_decided(client, review, query):
    assert (await client.get(f"/v1/audit/events:search?{query}")).status_code in {400, 422}
    assert (await review.search(OTTO, Question(who="otto"))).events == ()


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


@pytest.fixture
async def signed(tmp_path, review):
    """The journal's key; three records of it are signed."""
    private = Ed25519PrivateKey.generate()
    key = VerifierKey("gw.example/audit/gateway-1", private.public_key().public_bytes_raw())
    for _ in range(2):
        await review.sinks(OTTO)
    (tmp_path / "gateway-1" / "tree").mkdir()
    grown = GrowingTree(tmp_path / "gateway-1" / "tree")
    grown.extend(map(entry_of, read_lines(tmp_path / "gateway-1")))
    text = Checkpoint(key.name, grown.size, grown.root(grown.size)).text
    grown.publish(add_signature(text, key, private.sign(text.encode())).encode(), [key])
    return key


TREE = ["checkpoint", "tile/0/000.p/3", "tile/entries/000.p/3", "proofs/1"]


@pytest.mark.parametrize("path", TREE)
async def test_the_tree_is_for_those_whom_policy_lets(client, signed, monkeypatch, path):
    monkeypatch.setattr(Policy, "allowed", ("audit/gateway-2", "audit/gateway-2/tree"))
    assert (await client.get(f"/v1/audit/{path}")).status_code == 403


async def test_a_monitor_reads_hashes_and_no_event(client, signed, monkeypatch):
    monkeypatch.setattr(Policy, "allowed", ("audit/gateway-1/tree",))
    assert [(await client.get(f"/v1/audit/{path}")).status_code for path in TREE] == [200, 200, 200, 403]


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/001",
        "tile/0/000.p/4",
        "tile/0/000.p/257",
        "tile/0/000.p/03",
        "tile/0/0",
        "tile/0/x000/000",
        "tile/0/..%2f..%2fkeys",
        "tile/1/000",
        "tile/entries/000.p/0",
        "tile/entries/x",
        "proofs/99",
    ],
)
async def test_what_the_tree_has_not_is_not_found(client, signed, path):
    assert (await client.get(f"/v1/audit/{path}")).status_code == 404


@pytest.mark.parametrize("path", ["tile/64/000", "tile/-1/000", "proofs/0", "proofs/x"])
async def test_what_is_no_number_of_the_tree_is_refused(client, signed, path):
    assert (await client.get(f"/v1/audit/{path}")).status_code == 422


async def test_nothing_is_signed_at_first(client):
    answer = await client.get("/v1/audit/checkpoint")
    assert (answer.status_code, "No checkpoint" in answer.text) == (404, True)
    assert (await client.get("/v1/audit/proofs/1")).status_code == 404


async def test_a_monitor_computes_the_signed_root_from_what_is_served(client, signed):
    note = (await client.get("/v1/audit/checkpoint")).content
    checkpoint = open_checkpoint(note, [signed])
    tile = (await client.get("/v1/audit/tile/0/000.p/3")).content
    entries = (await client.get("/v1/audit/tile/entries/000.p/3")).content
    leaves = [leaf_hash(entries[at + 2 : at + 34]) for at in range(0, len(entries), 34)]
    frontier = Frontier()
    frontier.extend(leaves)
    assert (b"".join(leaves), frontier.root(), checkpoint.size) == (tile, checkpoint.root, 3)


async def test_a_proof_holds_with_the_public_key_alone(client, signed):
    proof = (await client.get("/v1/audit/proofs/2")).content
    assert check_proof(proof, [signed]).record.seq == 2


async def test_what_never_changes_may_be_kept(client, signed):
    assert "immutable" in (await client.get("/v1/audit/tile/0/000.p/3")).headers["cache-control"]
    assert (await client.get("/v1/audit/checkpoint")).headers["cache-control"] == "no-store"
