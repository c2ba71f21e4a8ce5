"""An issuer over real sockets on loopback, keys made at run time, a clock that tests turn, and a local signer."""

import hashlib
import json
import secrets
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry

from gateway.errors import IntegrityError, Revoked
from gateway.identity.dpop import Proofs
from gateway.identity.encoding import encode_base64url
from gateway.identity.used_proofs import MemoryUsedProofs
from gateway.model import Mark
from gateway.ports import SigningKey
from gateway.settings import IssuerSettings

NOW = datetime(2030, 1, 1, 12, 0, 0, tzinfo=UTC)
AUDIENCE = "gateway"


class TurnableClock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now

    def advance(self, **by):
        self.now += timedelta(**by)


class LocalIssuer:
    """Serves discovery and a key set; signs what it is told to."""

    def __init__(self):
        self.keys = {"k1": ECKey.generate_key("P-256", {"kid": "k1"})}
        self.requests = []
        self.answers = {}
        """Path to (status, headers, body) where a test wants another answer."""
        self.delay = 0.0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def settings(self, **changes):
        return IssuerSettings(**{"alias": "people", "issuer": self.url, "audiences": [AUDIENCE], **changes})

    def claims(self, **changes):
        at = int(NOW.timestamp())
        claims = {"iss": self.url, "aud": AUDIENCE, "sub": "u1", "exp": at + 600, "iat": at} | changes
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, *, key="k1", header=None, **claims):
        return sign(self.keys[key], {"alg": "ES256", "kid": key} | (header or {}), self.claims(**claims))

    def document(self, path):
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        return {"keys": [key.as_dict(private=False) for key in self.keys.values()]}

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self):
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.requests.append(self.path)
                time.sleep(issuer.delay)
                plain = json.dumps(issuer.document(self.path)).encode()
                status, headers, body = issuer.answers.get(self.path, (200, {}, plain))
                try:
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except ConnectionError:
                    pass  # the caller had enough, as some tests want it to

            def log_message(self, *_):
                pass

        return Handler


MADE_AT = datetime(2020, 1, 1, tzinfo=UTC)


class LocalSigner:
    """The port `TokenSigner` with keys in memory."""

    def __init__(self):
        self.keys = []
        self.made_at = {}
        self.fetches = 0
        self.rotate()

    def rotate(self, made_at=MADE_AT):
        self.keys.append(ECKey.generate_key("P-256", {"kid": f"gateway-tokens:v{self.made + 1}"}))
        self.made_at[self.keys[-1].kid] = made_at

    @property
    def made(self):
        return len(self.made_at)

    async def public_keys(self):
        self.fetches += 1
        return [SigningKey(key.kid, key.as_pem(private=False).decode(), self.made_at[key.kid]) for key in self.keys]

    async def sign(self, message, *, key_id=""):
        named = [key for key in self.keys if key.kid == key_id]
        if key_id and not named:
            raise IntegrityError("may no longer sign")
        key = (named or self.keys)[-1]
        return key.kid, JWSRegistry.algorithms["ES256"].sign(message, key)


def sign(key, header, claims):
    segments = [encode_base64url(json.dumps(part).encode()) for part in (header, claims)]
    message = ".".join(segments)
    return f"{message}.{encode_base64url(JWSRegistry.algorithms[header['alg']].sign(message.encode(), key))}"


@pytest.fixture
def clock():
    return TurnableClock()


@pytest.fixture
def issuer():
    with running_issuer() as one:
        yield one


@pytest.fixture
def other_issuer():
    with running_issuer() as one:
        yield one


@contextmanager
def running_issuer():
    one = LocalIssuer()
    try:
        yield one
    finally:
        one.close()


@pytest.fixture
async def http():
    async with httpx.AsyncClient() as client:
        yield client


@pytest.fixture
def signer():
    return LocalSigner()


@pytest.fixture(scope="session")
def rsa_key():
    return RSAKey.generate_key(2048, {"kid": "rsa"})


@pytest.fixture
def sign_token():
    return sign


class MemoryRevocations:
    """The port `Revocations`, as one instance sees it."""

    def __init__(self):
        self.kept = []

    async def add(self, revocation):
        self.kept.append(revocation)

    async def check(self, marks, *, issued_at):
        for one in self.kept:
            if Mark(one.kind, one.value) in marks and issued_at <= one.issued_before:
                raise Revoked(f"This {one.kind} was revoked.")


class Client:
    """A client with a key of its own, which proves that it holds it."""

    def __init__(self, clock):
        self.key = ECKey.generate_key("P-256")
        self.thumbprint = self.key.thumbprint()
        self._clock = clock

    def proof(self, call, *, token=None, key=None, header=None, without=(), **claims):
        signing = key or self.key
        whole = {
            "jti": secrets.token_hex(8),
            "htm": call.method,
            "htu": call.url,
            "iat": int(self._clock().timestamp()),
        }
        if token is not None:
            whole["ath"] = encode_base64url(hashlib.sha256(token.encode()).digest())
        whole = {name: value for name, value in (whole | claims).items() if name not in without}
        jwk = self.key.as_dict(private=False)
        return sign(signing, {"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk} | (header or {}), whole)


@pytest.fixture
def revocations():
    return MemoryRevocations()


@pytest.fixture
def proofs(clock):
    return Proofs(MemoryUsedProofs(clock), None, clock)


@pytest.fixture
def client(clock):
    return Client(clock)


@pytest.fixture
def thief(clock):
    return Client(clock)
