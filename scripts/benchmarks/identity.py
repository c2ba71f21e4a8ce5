"""What it costs to know who is calling: verification, token exchange, and issuers that hang."""

import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import psutil
import uvloop
from harness import Row, Seconds, side_by_side, timed
from joserfc.jwk import ECKey
from joserfc.jws import JWSRegistry

from gateway.clock import utc_now
from gateway.devstack.development import Development, developing
from gateway.devstack.network import free_ports
from gateway.identity import Authentication, Call, Credentials, GatewayTokens, Issuers, Proofs
from gateway.identity.encoding import encode_base64url
from gateway.identity.used_proofs import MemoryUsedProofs
from gateway.model import Principal, PrincipalKind
from gateway.ports import SigningKey
from gateway.settings import IssuerSettings
from gateway.state.engine import Database
from gateway.state.revocations import SqlRevocations
from gateway.state.schema import migrate

VERIFICATIONS = 20_000
REQUESTS = 2_000
"""Of the bare route, sent over one connection without waiting, so that the server is what bounds."""
EXCHANGES = 200
CLIENTS = 8
WANTED_EXCHANGES = 100
"""A second."""
VERIFIED_BESIDE = 500
HANGING = 100

KEY = ECKey.generate_key("P-256", {"kid": "k1"})
URL = "https://gateway.example.org"
DISK = Path(__file__).parents[2]
_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_BARE = """
import sys, uvicorn
from fastapi import FastAPI
app = FastAPI()
@app.get("/")
async def nothing() -> dict[str, bool]:
    return {"ok": True}
uvicorn.run(app, port=int(sys.argv[1]), log_config=None, access_log=False, loop="uvloop", http="httptools")
"""


def run() -> Iterable[Row]:
    """Compare each with what it may cost."""
    with tempfile.TemporaryDirectory(dir=DISK, prefix=".bench-identity-") as name:
        folder = Path(name)
        yield verification(folder)
        yield from exchanges(folder)
    yield beside_one_that_hangs()


def verification(folder: Path) -> Row:
    """Verify a token that is known, against a route that does nothing: at most a twentieth of its time."""
    with bare_route() as ask, uvloop_runner() as runner:
        identify = runner.run(identifying(folder))
        taken = side_by_side(lambda: runner.run(identify()), ask, 5)
    each = Seconds(taken.ours / VERIFICATIONS, taken.baseline / REQUESTS)
    return Row.rate("identity", "verify, warm", each, 1, "calls/s", baseline="bare FastAPI route", aim=20)


async def identifying(folder: Path) -> Callable[[], Coroutine[None, None, None]]:
    """Return what identifies one caller over and over, as each request of the gateway does."""
    database = Database(f"sqlite:///{folder}/bench.db")
    await migrate(database)
    tokens = GatewayTokens(Signer(), URL, utc_now)
    issuers = Issuers([], httpx.AsyncClient(), utc_now)
    proofs = Proofs(MemoryUsedProofs(utc_now), None, utc_now)
    one = Authentication(issuers, tokens, proofs, SqlRevocations(database, utc_now), utc_now)
    now = utc_now()
    ada = Principal("people", "u1", PrincipalKind.USER, "ada", frozenset({"ml-research", "staff"}), login_at=now)
    token = (await tokens.issue(ada, client_id="bench")).access_token
    credentials = Credentials("bearer", token, Call("GET", f"{URL}/v1/whoami"))

    async def work() -> None:
        for _ in range(VERIFICATIONS):
            await one.identify(credentials)

    return work


class Signer:
    """Signs in this process: what is measured is not Vault."""

    async def public_keys(self) -> list[SigningKey]:
        """Return the one key."""
        return [SigningKey("k1", KEY.as_pem(private=False).decode(), utc_now())]

    async def sign(self, message: bytes, *, key_id: str = "") -> tuple[str, bytes]:
        """Sign."""
        del key_id  # there is one
        return "k1", JWSRegistry.algorithms["ES256"].sign(message, KEY)


@contextmanager
def uvloop_runner() -> Iterator[asyncio.Runner]:
    """Yield the loop that the gateway runs on."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield runner


@contextmanager
def bare_route() -> Iterator[Callable[[], None]]:
    """Serve the route in a process of its own, and yield what asks it `REQUESTS` times."""
    (port,) = free_ports(1)
    server = subprocess.Popen([sys.executable, "-c", _BARE, str(port)])
    try:
        connection = _connected(port)
        yield lambda: _ask(connection, REQUESTS)
        connection.close()
    finally:
        server.terminate()
        server.wait()


def _connected(port: int) -> socket.socket:
    for _ in range(200):
        with suppress(ConnectionError):
            return socket.create_connection(("127.0.0.1", port), timeout=30)
        time.sleep(0.05)
    raise TimeoutError("The bare route did not come up.")


def _ask(connection: socket.socket, times: int) -> None:
    request = b"GET / HTTP/1.1\r\nhost: bench\r\n\r\n"
    sender = Thread(target=connection.sendall, args=[request * times])
    sender.start()
    answered, rest = 0, b""
    while answered < times:
        rest += connection.recv(1 << 16)
        answered += rest.count(b'{"ok":true}')
        rest = rest[rest.rfind(b"}") + 1 :]
    sender.join()


def exchanges(folder: Path) -> Iterator[Row]:
    """Exchange a workload's token on the whole product, and look at the gateway's memory before and after."""
    with developing(folder / "state", port=0, overlay=None) as development:
        memory = psutil.Process(development.gateway.pid).memory_info
        exchange_all(development)
        before = memory().rss
        seconds = sorted(timed(lambda: exchange_all(development)) for _ in range(5))[2]
        after = memory().rss
    each = Seconds(seconds / EXCHANGES, 1 / WANTED_EXCHANGES)
    yield Row.rate("identity", "token exchange", each, 1, "logins/s", baseline="what is wanted", aim=1)
    ratio = before / after
    megabytes = [size / (1 << 20) for size in (after, before)]
    case = f"memory after {5 * EXCHANGES:,} exchanges"
    yield Row("identity", case, megabytes[0], "MiB", "before", megabytes[1], ratio, 0.95, ratio >= 0.95)


def exchange_all(development: Development) -> None:
    """Exchange the token, by several clients at a time."""
    form = {
        "grant_type": _EXCHANGE,
        "subject_token": development.stack.description.workload_token_file.read_text().strip(),
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    }

    def client(times: int) -> None:
        with httpx.Client(trust_env=False, timeout=30) as http:
            for _ in range(times):
                http.post(f"{development.url}/oauth2/token", data=form).raise_for_status()

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(client, [EXCHANGES // CLIENTS] * CLIENTS))


def beside_one_that_hangs() -> Row:
    """Verify one issuer's tokens while many wait for another, which never answers, and while nobody waits."""
    with issuer() as good, hanging_issuer() as bad, uvloop_runner() as busy, uvloop_runner() as calm:
        token = token_of(good)
        beside = busy.run(verifying(good, bad, waiting=HANGING))
        alone = calm.run(verifying(good, bad, waiting=0))
        taken = side_by_side(lambda: busy.run(beside(token)), lambda: calm.run(alone(token)), 5)
    case = f"verify, cold, beside {HANGING} that wait"
    return Row.rate("identity", case, taken, VERIFIED_BESIDE, "tokens/s", baseline="nobody waits", aim=0.9)


async def verifying(good: str, bad: str, *, waiting: int) -> Callable[[str], Coroutine[None, None, None]]:
    """Return what verifies a token of the good issuer, from its signature on, while others wait for the bad one."""
    pairs = (("good", good), ("bad", bad))
    settings = [IssuerSettings(alias=alias, issuer=url, audiences=["gateway"]) for alias, url in pairs]
    issuers = Issuers(settings, httpx.AsyncClient(trust_env=False), utc_now, development=True)
    stuck = [asyncio.create_task(issuers.verify_subject_token(token_of(bad))) for _ in range(waiting)]

    async def work(token: str) -> None:
        for _ in range(VERIFIED_BESIDE):
            await issuers.verify_subject_token(token)
        assert not any(task.done() for task in stuck), "The one that hangs was given up in the meantime."  # noqa: S101

    return work


def token_of(issuer_url: str) -> str:
    """Return an ID token."""
    expires = utc_now() + timedelta(minutes=10)
    claims = {"iss": issuer_url, "aud": "gateway", "sub": "u1", "exp": int(expires.timestamp())}
    parts = ({"alg": "ES256", "kid": "k1"}, claims)
    message = ".".join(encode_base64url(json.dumps(part).encode()) for part in parts)
    return f"{message}.{encode_base64url(JWSRegistry.algorithms['ES256'].sign(message.encode(), KEY))}"


@contextmanager
def issuer() -> Iterator[str]:
    """Serve an issuer that answers."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            keys = {"keys": [KEY.as_dict(private=False)]}
            metadata = {"issuer": url, "jwks_uri": f"{url}/keys"}
            body = json.dumps(keys if self.path == "/keys" else metadata).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    url = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, daemon=True).start()
    yield url
    server.shutdown()
    server.server_close()


@contextmanager
def hanging_issuer() -> Iterator[str]:
    """Listen, and never answer."""
    with socket.create_server(("127.0.0.1", 0), backlog=2 * HANGING) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
