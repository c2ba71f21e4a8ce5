"""The doctor says what is wrong with the client's side, whatever answers."""

import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gateway.client.examination import examine

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
READY = b'{"journal": "ok", "vault": "vault-unavailable"}'


@pytest.fixture
def answering(monkeypatch, tmp_path):
    """Runs something that answers everything in one way, as the gateway that is set."""
    servers = []

    def start(body, date="Tue, 01 Jan 2030 12:00:00 GMT"):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response_only(200)
                if date:
                    self.send_header("date", date)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("GATEWAY_URL", f"http://127.0.0.1:{server.server_port}")
        return {finding.name: finding for finding in examine(lambda: NOW)}

    for name in ("GATEWAY_URL", "GATEWAY_TOKEN", "GATEWAY_TOKEN_FILE", "GATEWAY_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GATEWAY_HOME", str(tmp_path))
    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_no_gateway_is_set(answering):
    (finding,) = examine(lambda: NOW)
    assert (finding.name, finding.fault) == ("gateway URL", "No gateway is set.")


def test_nothing_answers(answering, free_port, monkeypatch):
    monkeypatch.setenv("GATEWAY_URL", f"http://127.0.0.1:{free_port}")
    *_, finding = examine(lambda: NOW)
    assert (finding.name, bool(finding.fault)) == ("connection", True)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"1", b"null", b'"ok"', b"{}", b"\xff"])
def test_what_answers_as_no_gateway_does_is_said_to(answering, body):
    assert answering(body)["gateway"].fault == "It answers as no gateway does."


def test_each_part_that_is_away_is_named(answering):
    found = answering(READY)
    assert not found["gateway's journal"].fault
    assert found["gateway's vault"].fault == "vault-unavailable"


@pytest.mark.parametrize(
    ("date", "fault"),
    [
        ("Tue, 01 Jan 2030 12:00:30 GMT", ""),
        ("Tue, 01 Jan 2030 12:00:31 GMT", "differs from the gateway's by 31 s"),
        ("Tue, 01 Jan 2030 11:00:00 GMT", "differs from the gateway's by 3600 s"),
        ("yesterday", "has no date"),
        ("", "has no date"),
    ],
)
def test_a_clock_that_is_off_is_said_to_be(answering, date, fault):
    found = answering(READY, date)["clock"].fault
    assert bool(found) == bool(fault)
    assert fault in found


def test_a_login_that_is_missing_is_said_with_the_next_step(answering):
    login = answering(READY)["login"]
    assert login.fault
    assert "gateway login" in login.hint
