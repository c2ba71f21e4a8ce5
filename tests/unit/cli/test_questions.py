"""`gateway audit search`, `report`, `lineage` and `sinks`: on files here, and from a gateway."""

import asyncio
import csv
import io
import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.audit.copies import LocalCopies
from gateway.audit.event import decided
from gateway.audit.journal import Journal
from gateway.audit.parquet import list_archive
from gateway.audit.question import Question
from gateway.audit.search import JournalFiles, Sources, search
from gateway.audit.sinks.archive import ArchiveTarget
from gateway.audit.sinks.target import batch_of
from gateway.cli import main
from gateway.model import AccessRequest, Decision, Outcome, Principal, PrincipalKind, ResourceName, Version
from gateway.storage.memory import MemoryObjectStore

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ALLOW, DENY = Decision(Outcome.ALLOW, ("a#b",)), Decision(Outcome.IMPLICIT_DENY)
JOB = Principal("jobs", "job-1", PrincipalKind.WORKLOAD, "trainer", token_id="jti-1")
IVAN = Principal("people", "ivan-1", PrincipalKind.USER, "iv\x1b[2Jan")
DIGITS, MODEL = ResourceName.parse("dataset/vision/digits"), ResourceName.parse("model/vision/m")


def event_of(who, action, resource, minute, decision=ALLOW, version=None):
    at = NOON + timedelta(minutes=minute)
    request = AccessRequest(who, action, resource)
    return decided(request, decision, at=at, request_id="r", source_ip="192.0.2.1", version=version)


EVENTS = [
    event_of(JOB, "gateway:ReadFile", f"{DIGITS}/latest/a.csv", 1, version=Version(DIGITS, 3, "d", 1, 1, NOON, "ada")),
    event_of(IVAN, "gateway:ReadFile", f"{DIGITS}/latest/a.csv", 2, DENY),
    event_of(JOB, "gateway:PublishVersion", str(MODEL), 3, version=Version(MODEL, 1, "d", 1, 1, NOON, "trainer")),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A journal, and a copy of the archive of its first three records."""
    folder = tmp_path_factory.mktemp("audit")

    async def write():
        async with Journal(folder / "audit", instance="gateway-1", clock=lambda: NOON) as journal:
            await journal.append_all(EVENTS)
            objects = MemoryObjectStore()
            await ArchiveTarget(objects).send(batch_of("gateway-1", await journal.lines(after=0, limit=3)))
        await LocalCopies(objects, folder / "archive").fetch(await list_archive(objects, ["gateway-1"]))

    asyncio.run(write())
    return folder


@pytest.fixture(params=["journal", "both", "gateway"])
def where(request, folder, monkeypatch):
    """Options that say where to look; for each, the events are the same."""
    if request.param == "gateway":
        yield from serve(folder, monkeypatch)
        return
    archive = ["--archive", str(folder / "archive")] if request.param == "both" else []
    yield ["--journal", str(folder / "audit"), *archive]  # noqa: PT022  # the other way has a teardown


def serve(folder, monkeypatch):
    sources = Sources(journals=[JournalFiles("gateway-1", folder / "audit" / "gateway-1")])

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args):
            """Keep quiet."""

        def do_GET(self):
            url = urlsplit(self.path)
            asked = {name: values[0] for name, values in parse_qs(url.query).items()}
            self.send_response(200)
            self.end_headers()
            answer = self.sinks() if url.path == "/v1/audit/sinks" else self.events(asked)
            self.wfile.write(json.dumps(answer).encode())

        def events(self, asked):
            if "weird" in asked.get("who", ""):
                return {"events": [{}], "next": None}
            for name, read in (
                ("since", datetime.fromisoformat),
                ("until", datetime.fromisoformat),
                ("limit", int),
                ("refused", bool),
            ):
                if name in asked:
                    asked[name] = read(asked[name])
            page = search(Question(**asked | {"limit": 2}), sources)
            columns = [{name: getattr(one, name) for name in one.__dataclass_fields__} for one in page.events]
            return {"events": columns, "next": str(page.next) if page.next else None}

        def sinks(self):
            sink = {"name": "siem", "seq": 7, "waiting": 2, "lag_seconds": 1.5, "dead": 0, "fault": ""}
            return {"sinks": [sink]}

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    monkeypatch.setenv("GATEWAY_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("GATEWAY_TOKEN", "made-up-token")
    yield []
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def served(folder, monkeypatch):
    yield from serve(folder, monkeypatch)


def run(capsys, *arguments):
    code = main(["audit", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


def test_no_events_is_an_error(tmp_path, capsys):
    code, out, err = run(capsys, "search", "--journal", tmp_path / "nowhere")
    assert (code, out) == (81, "")
    assert "There are no events at" in err


def test_an_answer_that_is_not_ours_is_an_error(served, capsys):
    code, _, err = run(capsys, "search", "--who", "weird")
    assert code == 76
    assert "none that we know" in err


@pytest.mark.parametrize(
    "version", ["dataset/vision/digits", "dataset/vision/digits@prod", "dataset/vision/digits@v3/a"]
)
def test_lineage_wants_a_number(version, capsys):
    code, _, err = run(capsys, "lineage", version)
    assert code == 10
    assert "no version by its number" in err


def test_a_report_that_cannot_be_written_is_an_error(folder, capsys, tmp_path):
    arguments = ("report", "dataset/vision/digits", "--journal", folder / "audit", "-o", tmp_path)
    assert run(capsys, *arguments)[0] == 81


def test_what_was_refused_and_why(where, capsys):
    code, out, _ = run(capsys, "search", "--refused", *where)
    assert code == 0
    assert out.split("\t") == [
        "2026-03-01 12:02:00",
        "iv\N{REPLACEMENT CHARACTER}[2Jan",
        "gateway:ReadFile",
        "dataset/vision/digits/latest/a.csv",
        "-",
        "Denied",
        "Failure",
        "access-denied",
        "192.0.2.1",
        "gateway-1:3\n",
    ]


def test_everything_and_its_time(where, capsys):
    found = [json.loads(line) for line in run(capsys, "search", "--json", *where)[1].splitlines()]
    assert {one["seq"] for one in found} == {1, 2, 3, 4, 5}
    assert found[0]["seq"] == 4
    since, until = "2026-03-01T12:02:00Z", "2026-03-01T12:03:00"
    found = run(capsys, "search", "--since", since, "--until", until, "--json", "-n", "5", *where)[1]
    assert [json.loads(line)["seq"] for line in found.splitlines()] == [3]


def test_a_review_of_access(where, capsys, tmp_path):
    out = run(capsys, "report", "dataset/vision/digits", *where)[1]
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [(row["principal"], row["reads"], row["refused"]) for row in rows] == [
        ("trainer", "1", "0"),
        ("ivan", "0", "1"),  # where there is no terminal, nothing is written for one
    ]
    file = tmp_path / "review.html"
    assert run(capsys, "report", "dataset/vision/digits", "--format", "html", "-o", file, *where)[0] == 0
    assert file.read_text().startswith("<!doctype html>")


def test_what_came_of_a_version(where, capsys):
    out = run(capsys, "lineage", "dataset/vision/digits@v3", *where)[1]
    assert out == "model/vision/m\tv1\t2026-03-01 12:03:00\ttrainer\t2026-03-01 12:01:00\tyes\n"
    [line] = run(capsys, "lineage", "dataset/vision/digits@v3", "--json", *where)[1].splitlines()
    assert json.loads(line)["evidence"] == [EVENTS[0]["metadata"]["uid"], EVENTS[2]["metadata"]["uid"]]


def test_an_archive_alone_will_do(folder, capsys):
    out = run(capsys, "search", "--archive", folder / "archive", "--json")[1]
    assert {json.loads(line)["seq"] for line in out.splitlines()} == {1, 2, 3}


def test_sinks_are_listed(served, capsys):
    assert run(capsys, "sinks")[1] == "siem\t7\t2\t1.5\t0\t-\n"
    assert json.loads(run(capsys, "sinks", "--json")[1])["sinks"][0]["waiting"] == 2
