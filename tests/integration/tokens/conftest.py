"""Two gateways of one deployment on the real OpenBao and SeaweedFS, on a clock that stands until a test moves it.

Issuers are a web server of the test's own: any folder of it is one, so that there is one for each provider.
"""

import asyncio
import json
import secrets
import socket
import threading
import tomllib
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import httpx
import pytest
import uvicorn

from gateway.api.metrics import Metrics
from gateway.app import admitting, assemble, create_app
from gateway.clock import utc_now
from gateway.devstack import configuration
from gateway.settings import load

REPOSITORY = Path(__file__).parents[3]
EXAMPLES = REPOSITORY / "infra" / "issuers"
TYPES = "urn:ietf:params:oauth:token-type:"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
RESEARCH = {
    "Sid": "Research",
    "Effect": "Allow",
    "Principal": {"Group": "ml-research"},
    "Action": ["gateway:*"],
    "NotResource": "dataset/guarded/*",
}
GUARDED = {
    "Sid": "Guarded",
    "Effect": "Allow",
    "Principal": {"Group": "ml-research"},
    "Action": "gateway:*",
    "Resource": "dataset/guarded/*",
    "Condition": {"StringEquals": {"gateway:Acr": "gold"}, "NumericLessThanEquals": {"gateway:AuthAge": "300"}},
}


class StandingClock:
    def __init__(self):
        self.now = utc_now().replace(microsecond=0)

    def __call__(self):
        return self.now

    def advance(self, **by):
        self.now += timedelta(**by)


class Web:
    """Issuers, one a folder, and a trap: whatever is asked is remembered."""

    def __init__(self, keys):
        self.asked = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(keys))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def issuer(self, name):
        return f"{self.url}/{name}"

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def _handler(self, keys):
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                web.asked.append(self.path)
                issuer = web.url + self.path.removesuffix("/.well-known/openid-configuration")
                metadata = {"issuer": issuer, "jwks_uri": f"{issuer}/keys"}
                body = json.dumps({"keys": keys} if self.path.endswith("/keys") else metadata).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        return Handler


class Deployment:
    """The gateways, and how tokens are got from them."""

    def __init__(self, urls, clock, web, corpus):
        self.urls = urls
        self.url = urls[0]
        self.clock = clock
        self.web = web
        self.corpus = corpus
        self.http = httpx.Client(trust_env=False, timeout=30)

    def sign(self, claims, *, header=None):
        """Return a token of an issuer, good for ten minutes."""
        now = int(self.clock().timestamp())
        header = {"alg": "RS256"} | (header or {})
        key = {"RS256": self.corpus.RSA, "ES256": self.corpus.EC}[header["alg"]]
        whole = {"iat": now - 5, "exp": now + 600, "jti": secrets.token_hex(8)} | claims
        return self.corpus.sign(header | {"kid": key.kid}, whole, key)

    def id_token(self, **claims):
        """Return ada's ID token."""
        ada = {"iss": self.web.issuer("people"), "aud": "gateway", "sub": "u1", "groups": ["ml-research"]}
        return self.sign(ada | claims)

    def access_token(self, **claims):
        """Return ada's access token, straight from her issuer."""
        ada = {"iss": self.web.issuer("people"), "aud": "gateway", "sub": "u1", "groups": ["ml-research"]}
        return self.sign(ada | {"client_id": "web"} | claims, header={"typ": "at+jwt"})

    def exchange(self, token, kind="id_token", *, url=None, proof=None, **more):
        """Ask the token endpoint; return its answer."""
        form = {"grant_type": EXCHANGE, "subject_token": token, "subject_token_type": TYPES + kind} | more
        headers = {"dpop": proof} if proof else {}
        return self.http.post(f"{url or self.url}/oauth2/token", data=form, headers=headers)

    def login(self, token=None, kind="id_token", **more):
        """Return a gateway token."""
        answer = self.exchange(token or self.id_token(), kind, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]

    def ask(self, method, path, token=None, *, url=None, scheme="Bearer", **options):
        """Call the API."""
        headers = options.pop("headers", {}) | ({"authorization": f"{scheme} {token}"} if token else {})
        return self.http.request(method, (url or self.url) + path, headers=headers, **options)


@pytest.fixture(scope="session")
def corpus():
    """scripts/gen_jwt_vectors, which makes the attacks."""
    loader = SourceFileLoader("gen_jwt_vectors", str(REPOSITORY / "scripts" / "gen_jwt_vectors"))
    module = module_from_spec(spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def deployment(stack, s3, tmp_path_factory, corpus):
    """Two gateways of one name on one database, and their issuers."""
    folder = tmp_path_factory.mktemp("tokens")
    bucket = f"test-{secrets.token_hex(8)}"
    s3.create_bucket(Bucket=bucket)
    clock, web = StandingClock(), Web(corpus.public_keys())
    sockets = [_listening() for _ in range(2)]
    urls = [f"http://127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    corpus.aim_at(
        now=int(clock().timestamp()),
        issuer=web.issuer("people"),
        workloads=web.issuer("jobs"),
        gateway=urls[0],
        trap=f"{web.url}/trap/keys",
    )
    base = configuration.for_stack(stack, folder=folder, port=0, policies=_policies(folder), bucket=bucket)
    with ExitStack() as opened:
        opened.callback(web.close)
        for number, listener in enumerate(sockets):
            own = {
                "server": {"public_url": urls[0]},
                "audit": {"directory": str(folder / f"audit-{number}"), "instance": f"gateway-{number}"},
                "issuers": _issuers(web),
            }
            file = folder / f"gateway-{number}.toml"
            settings = configuration.merge(base | {"issuers": []}, own)
            file.write_text(configuration.dump(settings), encoding="utf-8")
            opened.enter_context(_serving(load(file), clock, listener))
        made = Deployment(urls, clock, web, corpus)
        opened.callback(made.http.close)
        yield made


def _policies(folder):
    policies = folder / "policies"
    policies.mkdir()
    document = {"Version": "2012-10-17", "Statement": [RESEARCH, GUARDED]}
    (policies / "research.json").write_text(json.dumps(document))
    return policies


def _issuers(web):
    """All providers' examples, moved to the test's web, and two of the corpus."""
    shared = {"algorithms": ["RS256", "ES256", "EdDSA"], "leeway": 30}
    people = {"alias": "people", "issuer": web.issuer("people"), "audiences": ["gateway", "people-only"]}
    jobs = {"alias": "jobs", "issuer": web.issuer("jobs"), "audiences": ["gateway"], "kind": "workload"}
    bound = {"alias": "bound", "issuer": web.issuer("bound"), "audiences": ["gateway"], "dpop": "required"}
    strong = {"alias": "strong", "issuer": web.issuer("strong"), "audiences": ["gateway"], "required_acr": ["gold"]}
    examples = []
    for file in sorted(EXAMPLES.glob("*.toml")):
        for one in tomllib.loads(file.read_text(encoding="utf-8"))["issuers"]:
            alias = f"{file.stem}-{one['alias']}" if one["alias"] == "people" else one["alias"]
            examples.append(one | {"issuer": web.issuer(file.stem), "alias": alias})
    return [people | shared, jobs | shared, bound, strong, *examples]


def _listening():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    return listener


@contextmanager
def _serving(settings, clock, listener):
    """Serve in a thread of this process: on the test's clock, over real sockets."""
    ready, server = threading.Event(), None

    async def serve():
        nonlocal server
        metrics = Metrics()
        async with assemble(settings, metrics, clock) as broker, admitting(settings, metrics, clock) as gate:
            app = create_app(settings, broker, gate, metrics)
            server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))
            ready.set()
            await server.serve(sockets=[listener])

    thread = threading.Thread(target=partial(asyncio.run, serve()), daemon=True)
    thread.start()
    assert ready.wait(60)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()
