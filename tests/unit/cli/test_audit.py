"""`gateway audit` on real journals: in a folder, and over HTTP from a server that records each look at it."""

import asyncio
import json
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.audit.event import decided
from gateway.audit.journal import Journal
from gateway.audit.segments import list_segments, read_lines
from gateway.cli import main
from gateway.model import AccessRequest, Decision, Outcome, Principal, PrincipalKind

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
OTTO = Principal("people", "otto-1", PrincipalKind.USER, "otto")
MAIN = "import sys; from gateway.cli import main; sys.exit(main())"
ME = {"issuer": "people", "subject": "otto-1", "kind": "user", "name": "otto", "groups": [], "expires_at": None}


def event_of(action, resource="dataset/vision/digits"):
    request = AccessRequest(OTTO, action, resource)
    return decided(
        request, Decision(Outcome.ALLOW, ("a#b",), "ab" * 32), at=NOON, request_id="r", source_ip="192.0.2.1"
    )


def append(directory, *actions):
    async def run():
        async with Journal(directory, instance="gateway-1", clock=lambda: NOON) as journal:
            await journal.append_all([event_of(action) for action in actions])

    asyncio.run(run())


@pytest.fixture
def directory(tmp_path):
    """A journal of four records: opened, two decisions, closed."""
    append(tmp_path, "gateway:ReadFile", "gateway:ListFiles")
    return tmp_path


@pytest.fixture
def served(directory, monkeypatch):
    """The journal over HTTP, and each look at it in it; the environment names the server."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10

        def log_message(self, *args):
            """Keep quiet."""

        def do_GET(self):
            url = urlsplit(self.path)
            body = json.dumps(ME).encode() if url.path == "/v1/whoami" else self.lines(parse_qs(url.query))
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def lines(self, query):
            lines = list(read_lines(directory / "gateway-1"))
            append(directory, "gateway:ReadAudit")
            after, limit = int(query["after"][0]), int(query["limit"][0])
            return b"".join(lines[after:][:limit])  # a negative `after` counts from the end here as well

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    monkeypatch.setenv("GATEWAY_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("GATEWAY_TOKEN", "made-up-token")
    yield directory
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def follow():
    """Start `gateway audit tail -f`; it is killed at the end."""
    running = []

    def follow(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-c", MAIN, "audit", "tail", "-f", *arguments],
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield follow
    for process in running:
        process.kill()
        process.communicate()


def run(capsys, *arguments):
    code = main(["audit", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


def test_no_journal_is_an_error(tmp_path, capsys):
    code, out, err = run(capsys, "verify", "--journal", tmp_path / "nowhere")
    assert (code, out) == (81, "")
    assert "There is no journal at" in err


def test_a_changed_journal_is_an_error_that_names_the_record(directory, capsys):
    segment = list_segments(directory / "gateway-1")[0]
    segment.write_bytes(segment.read_bytes().replace(b"ListFiles", b"ReadFiles"))
    code, out, err = run(capsys, "verify", "--journal", directory)
    assert (code, out) == (65, "")
    assert "Record 3 was altered" in err


def test_an_event_that_is_no_json_is_a_changed_journal(directory, capsys):
    segment = list_segments(directory / "gateway-1")[0]
    segment.write_bytes(segment.read_bytes().replace(b'"activity_id":2', b'"activity_id":x'))
    for command in (["verify", "--list"], ["tail"]):
        code, _, err = run(capsys, *command, "--journal", directory)
        assert code == 65
        assert "Record 2 was altered" in err


def test_a_head_that_the_journal_does_not_contain_is_an_error(directory, capsys):
    assert run(capsys, "verify", "--journal", directory, "--head", f"9:{'0' * 64}")[0] == 65
    assert run(capsys, "verify", "--journal", directory, "--head", f"2:{'0' * 64}")[0] == 65


def test_what_is_no_head_is_refused(directory, capsys):
    assert run(capsys, "verify", "--journal", directory, "--head", "2:abc")[0] == 10


def test_tail_wants_one_journal(directory, capsys):
    code, _, err = run(capsys, "tail", "--journal", list_segments(directory / "gateway-1")[0])
    assert code == 10
    assert str(directory / "gateway-1") in err


def test_a_journal_that_cannot_be_read_is_an_error(directory, capsys):
    segment = list_segments(directory / "gateway-1")[0]
    segment.unlink()
    segment.mkdir()
    for command in ("verify", "tail"):
        assert run(capsys, command, "--journal", directory / "gateway-1")[0] == 81


def test_a_whole_journal_is_summed_up(directory, capsys):
    code, out, _ = run(capsys, "verify", "--journal", directory)
    assert code == 0
    assert "The journal of gateway-1 is whole: 4 records, from 2026-03-01 12:00:00" in out


def test_a_noted_head_verifies_later(directory, capsys):
    noted = json.loads(run(capsys, "verify", "--journal", directory, "--json")[1])["head"]
    append(directory, "gateway:ReadFile")
    assert run(capsys, "verify", "--journal", directory, "--head", noted)[0] == 0


def test_events_are_listed(directory, capsys):
    out = run(capsys, "verify", "--journal", directory, "--list")[1]
    assert "2\t2026-03-01 12:00:00\totto\tgateway:ReadFile\tdataset/vision/digits\tAllowed\tSuccess\t192.0.2.1\n" in out
    listed = json.loads(run(capsys, "verify", "--journal", directory, "--list", "--json")[1])
    assert (listed["whole"], listed["records"], len(listed["events"])) == (True, 4, 4)


def test_the_newest_are_shown(directory, capsys):
    out = run(capsys, "tail", "--journal", directory, "-n", 2)[1]
    assert [line.split("\t")[3] for line in out.splitlines()] == ["gateway:ListFiles", "Stop"]
    [line] = run(capsys, "tail", "--journal", directory, "-n", 1, "--json")[1].splitlines()
    assert json.loads(line)["event"]["activity_name"] == "Stop"


def test_the_gateways_journal_is_verified_over_many_pages(served, capsys, monkeypatch):
    append(served, *["gateway:ReadFile"] * 20)
    monkeypatch.setattr("gateway.cli.audit._PAGE", 7)
    found = json.loads(run(capsys, "verify", "--json")[1])
    assert (found["whole"], found["instance"]) == (True, "gateway-1")
    assert found["records"] > 26


def test_the_gateways_newest_are_shown(served, capsys):
    out = run(capsys, "tail", "-n", 3)[1]
    assert [line.split("\t")[0] for line in out.splitlines()] == ["2", "3", "4"]


def test_following_shows_what_is_new(directory, follow):
    process = follow("--journal", str(directory), "-n", "1")
    assert process.stdout.readline().startswith("4\t")
    append(directory, "gateway:RotateKey")
    assert [process.stdout.readline().split("\t")[3] for _ in range(3)] == ["Start", "gateway:RotateKey", "Stop"]
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130


def test_following_does_not_show_its_own_looks(served, follow):
    process = follow("-n", "1", "--json")
    assert json.loads(process.stdout.readline())["seq"] == 4
    shown = [json.loads(process.stdout.readline())["event"] for _ in range(4)]
    assert {event["activity_name"] for event in shown} == {"Start", "Stop"}
