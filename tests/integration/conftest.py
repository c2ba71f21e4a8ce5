"""Whole gateways in processes of their own on the shared stack, and the people who use them over HTTP.

`shared` is one gateway for all tests of a worker, which therefore make resources with names of their own; a test that
breaks something starts a gateway for itself with `start_gateway`. All of them die with pytest, also when it is killed.
"""

import asyncio
import contextlib
import os
import re
import secrets
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx
import psutil
import pytest
from secret_scan import secrets_in

from gateway.audit.chain import verify
from gateway.audit.entry import read_entry
from gateway.audit.record import parse
from gateway.audit.segments import read_lines
from gateway.client import Gateway, StaticToken
from gateway.client.exchange import ID_TOKEN, WORKLOAD_TOKEN, GatewayLogin, LoginIssuer
from gateway.client.provider import CodeFlow, discover
from gateway.devstack import browser, configuration
from gateway.devstack.network import LOOPBACK, free_ports
from gateway.devstack.process import Process, answers

REPOSITORY = Path(__file__).parents[2]
INSTANCE = "gateway-1"
CALLBACK = "http://127.0.0.1:43210/callback"
WITHIN = timedelta(seconds=30)


@dataclass(frozen=True)
class Served:
    """A running gateway."""

    url: str
    process: Process
    folder: Path

    @property
    def memory(self):
        """Resident bytes."""
        return psutil.Process(self.process.pid).memory_info().rss

    @property
    def journal(self):
        """The journal's folder."""
        return self.folder / "audit" / INSTANCE

    def records(self):
        """The journal's records, after a check that it is whole."""
        lines = list(read_lines(self.journal))
        assert verify(lines, instance=INSTANCE).finding is None
        return [parse(line) for line in lines]

    def told(self, resource):
        """Counts (who, action, decision, status) of the events about one resource or anything in it."""
        entries = map(read_entry, self.records())
        return Counter(
            (e.who, e.action.removeprefix("gateway:"), e.decision, e.status)
            for e in entries
            if e.resource == resource or e.resource.startswith(f"{resource}/")
        )

    def told_of(self, request_id):
        """The entries of one request."""
        return [
            read_entry(record)
            for record in self.records()
            if record.read_event()["metadata"].get("correlation_uid") == request_id
        ]

    def readiness(self):
        """What /readyz answers: the status, and each part's word."""
        answer = httpx.get(f"{self.url}/readyz", trust_env=False, timeout=10)
        return answer.status_code, answer.json()


class Relay:
    """A TCP relay to a real part: an address of its own that can be cut off, and joined again.

    It runs on a thread, so that blocking tests may use it.
    """

    def __init__(self, target):
        self._target = urlsplit(target)
        (self.port,) = free_ports(1)
        self.url = f"http://{LOOPBACK}:{self.port}"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = None
        self._flows = set()
        self._budget = None
        self.asked = set()
        """The method and path, below /v1/, of each request to Vault that came this way."""

    def join(self):
        """Relay from now on."""
        self._call(self._listen())

    def cut(self):
        """Refuse connections, and break those that are open."""
        self._call(self._hang_up())

    def cut_after(self, size):
        """Break everything once `size` more bytes have come from the part."""
        self._budget = size

    def close(self):
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work):
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self):
        self._budget = None
        self._server = await asyncio.start_server(self._serve, LOOPBACK, self.port)

    async def _hang_up(self):
        if self._server:
            self._server.close()
            self._server = None
        flows = list(self._flows)
        for flow in flows:
            flow.cancel()
        await asyncio.gather(*flows, return_exceptions=True)

    async def _serve(self, reader, writer):
        ends = [writer]
        self._flows.add(asyncio.current_task())
        try:
            there, back = await asyncio.open_connection(self._target.hostname, self._target.port)
            ends.append(back)
            await asyncio.gather(self._copy(reader, back), self._copy(there, writer, counted=True))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._flows.discard(asyncio.current_task())
            for end in ends:
                end.transport.abort()

    async def _copy(self, reader, writer, *, counted=False):
        while data := await reader.read(1 << 16):
            if not counted and (request := re.match(rb"([A-Z]+) /v1/(\S+) HTTP/", data)):
                self.asked.add((request[1].decode(), request[2].decode()))
            if counted and self._budget is not None:
                self._budget -= len(data)
                if self._budget < 0:
                    self._loop.create_task(self._hang_up())
                    return
            writer.write(data)
            await writer.drain()
        writer.close()


@pytest.fixture
def relay():
    """Makes relays to real parts."""
    made = []

    def to(target, *, joined=True):
        made.append(Relay(target))
        if joined:
            made[-1].join()
        return made[-1]

    yield to
    for one in made:
        one.close()


def clean_environment(**variables):
    """The environment without this machine's own GATEWAY_* settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")} | variables


def write_settings(stack, folder, more, *, bucket, policies):
    (port,) = free_ports(1)
    base = configuration.for_stack(stack, folder=folder, port=port, policies=policies, bucket=bucket)
    file = folder / "gateway.toml"
    file.write_text(configuration.dump(configuration.merge(base, more)), encoding="utf-8")
    return file, f"http://{LOOPBACK}:{port}"


def serve(file, url):
    return Served(
        url,
        Process.start(
            "The gateway",
            [sys.executable, "-m", "gateway", "serve", "--config", file],
            log=file.parent / "gateway.log",
            environment=clean_environment(),
            folder=file.parent,
        ),
        file.parent,
    )


def check_what_was_written(served):
    """Nothing went wrong unforeseen, and no secret is in a log, a journal, or what a sink wrote."""
    log = (served.folder / "gateway.log").read_text()
    assert "unexpected failure" not in log, log
    for file in served.folder.rglob("*"):
        if file.is_file() and file.suffix in {".log", ".ndjson", ".jsonl"}:
            assert not secrets_in(file.read_bytes()), file


@pytest.fixture(name="secrets_in")
def find_secrets():
    """Says what kinds of secrets are in what a gateway wrote."""
    return secrets_in


@pytest.fixture(scope="session")
def shared(stack, s3, tmp_path_factory):
    """The gateway that all tests of this worker share."""
    bucket = f"test-{secrets.token_hex(8)}"
    s3.create_bucket(Bucket=bucket)
    folder = tmp_path_factory.mktemp("shared-gateway")
    served = serve(*write_settings(stack, folder, {}, bucket=bucket, policies=REPOSITORY / "policies"))
    try:
        served.process.wait_ready(lambda: answers(f"{served.url}/readyz"), within=WITHIN)
        yield served
    finally:
        served.process.stop()
    check_what_was_written(served)


@pytest.fixture
def start_gateway(stack, bucket, tmp_path):
    """Starts gateways with changed settings. `until` is the path that answers 200 once it is up."""
    started = []

    def start(more=None, *, policies=REPOSITORY / "policies", until="/readyz"):
        folder = tmp_path / f"gateway-{len(started)}"
        folder.mkdir()
        served = serve(*write_settings(stack, folder, more or {}, bucket=bucket, policies=policies))
        started.append(served)
        served.process.wait_ready(lambda: answers(f"{served.url}{until}"), within=WITHIN)
        return served

    def again(before, *, until="/readyz"):
        served = serve(before.folder / "gateway.toml", before.url)
        started.append(served)
        served.process.wait_ready(lambda: answers(f"{served.url}{until}"), within=WITHIN)
        return served

    start.again = again
    yield start
    for served in started:
        served.process.stop()
    for served in started:
        check_what_was_written(served)


@pytest.fixture(scope="session")
def token_for(stack):
    """Returns somebody's gateway token for a gateway, got once."""
    return TokenDesk(stack).gateway_token


class TokenDesk:
    """Logs people and the workload in, as `gateway login` does, and remembers."""

    def __init__(self, stack):
        self._stack = stack
        self._known = {}

    def id_token(self, name):
        if name not in self._known:
            self._known[name] = log_in(self._stack, self._stack.issuer, name)
        return self._known[name]

    def gateway_token(self, served, name):
        if (served.url, name) not in self._known:
            with httpx.Client(trust_env=False, timeout=15) as http:
                login = GatewayLogin(served.url, http)
                if name == "trainer":
                    workload = self._stack.workload_token_file.read_text().strip()
                    token = login.exchange(workload, WORKLOAD_TOKEN)
                else:
                    token = login.exchange(self.id_token(name), ID_TOKEN)
            self._known[served.url, name] = token.text
        return self._known[served.url, name]


def log_in(stack, issuer, name):
    """Return an ID token by code and PKCE, without a browser."""
    people = LoginIssuer("people", issuer, stack.client_id, ("openid", "profile", "groups"))
    (person,) = (user for user in stack.users if user.name == name)
    with httpx.Client(trust_env=False) as http:
        flow = CodeFlow(people, discover(people, http), CALLBACK, http)
        where = browser.redirect_for(flow.authorize_url(), name=name, password_file=person.password_file)
        return flow.id_token(dict(parse_qsl(urlsplit(where).query)))


@pytest.fixture
def id_token_of(stack):
    """Logs a person in at a provider of OpenBao, and returns the ID token."""
    return lambda name, issuer: log_in(stack, issuer, name)


@pytest.fixture
def sdk(shared, token_for):
    """Returns the SDK as somebody, on the shared gateway or the one given."""
    with contextlib.ExitStack() as opened:

        def as_person(name, served=None):
            served = served or shared
            token = StaticToken(token_for(served, name))
            return opened.enter_context(Gateway(served.url, token_source=token))

        yield as_person


@pytest.fixture
def ada(sdk):
    """Ada, who reads and publishes vision."""
    return sdk("ada")


@pytest.fixture
def api(shared, token_for):
    """Returns plain HTTP with somebody's token (None: without), on the shared gateway or the one given."""
    with contextlib.ExitStack() as opened:

        def as_person(name, served=None):
            served = served or shared
            headers = {"authorization": f"Bearer {token_for(served, name)}"} if name else {}
            client = httpx.Client(base_url=served.url, headers=headers, trust_env=False, timeout=30)
            return opened.enter_context(client)

        yield as_person


@pytest.fixture
def web():
    """HTTP without a token, as whoever holds a link has it."""
    with httpx.Client(trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture
def client_environment(shared, token_for, tmp_path):
    """Returns the environment in which the command line is somebody, on the shared gateway or the one given."""

    def variables(name, served=None):
        served = served or shared
        token = token_for(served, name)
        return clean_environment(GATEWAY_HOME=str(tmp_path / "home"), GATEWAY_URL=served.url, GATEWAY_TOKEN=token)

    return variables


@pytest.fixture
def cli(client_environment, tmp_path):
    """Runs `gateway WORDS` as somebody to its end."""

    def run(name, *words, served=None, **options):
        options.setdefault("cwd", tmp_path)  # a pull that names no folder makes one there
        return subprocess.run(
            [sys.executable, "-m", "gateway", *map(str, words)],
            env=client_environment(name, served),
            capture_output=True,
            check=False,
            timeout=60,
            **options,
        )

    return run


@pytest.fixture
def name():
    """A dataset that no other test knows, in the namespace that the shipped policies are about."""
    return f"dataset/vision/t-{secrets.token_hex(6)}"


@pytest.fixture
def folder(tmp_path):
    """Writes files into a new folder and returns it."""
    count = 0

    def write(files):
        nonlocal count
        count += 1
        top = tmp_path / f"source-{count}"
        for path, content in files.items():
            (top / path).parent.mkdir(parents=True, exist_ok=True)
            (top / path).write_bytes(content)
        return top

    return write
