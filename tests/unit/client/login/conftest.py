"""A gateway and a provider in one small web server on loopback, whose answers tests set."""

import base64
import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

NOW = datetime(2030, 1, 1, 12, 0, 0, tzinfo=UTC)


class TurnableClock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now

    def advance(self, **by):
        self.now += timedelta(**by)


class Web:
    def __init__(self):
        self.requests = []
        """(path, form) of each request."""
        self.seen = []
        """(Authorization header, query) of each request."""
        self.answers = {}
        """Path to (status, body), or to several, each for one request; the body is bytes, or what JSON can hold."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(web):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            form = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
            path, query = urlsplit(self.path).path, dict(parse_qsl(urlsplit(self.path).query))
            web.seen.append((self.headers.get("authorization"), query))
            web.requests.append((path, dict(parse_qsl(form))))
            answer = web.answers.get(path, (404, {}))
            status, body = answer.pop(0) if isinstance(answer, list) else answer
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def do_POST(self):
            self.do_GET()

        def log_message(self, *_):
            pass

    return Handler


@pytest.fixture
def clock():
    return TurnableClock()


@pytest.fixture
def web():
    one = Web()
    try:
        yield one
    finally:
        one.close()


@pytest.fixture
def http():
    with httpx.Client(trust_env=False) as client:
        yield client


@pytest.fixture
def id_token():
    """Returns an ID token of these claims. Clients do not verify its signature: it came from the token endpoint."""

    def make(**claims):
        parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({}, claims)]
        return ".".join([*parts, "c2ln"])

    return make


@pytest.fixture
def gateway(web):
    """Lets the web answer as a gateway with one issuer, and as that issuer; returns the gateway's URL."""
    people = {"alias": "people", "issuer": web.url, "client_id": "cli", "scopes": ["openid"]}
    web.answers["/v1/login"] = (200, {"token_endpoint": f"{web.url}/oauth2/token", "issuers": [people]})
    endpoints = {"authorization_endpoint": f"{web.url}/authorize", "token_endpoint": f"{web.url}/token"}
    web.answers["/.well-known/openid-configuration"] = (200, {"issuer": web.url, **endpoints})
    web.answers["/oauth2/token"] = (200, {"access_token": "gateway-token", "expires_in": 3600})
    return web.url
