"""Everything is replaced while two gateways serve links, uploads and pulls: no request fails, and nothing old lives."""

import secrets
import threading
import time
from collections import deque
from contextlib import ExitStack
from datetime import timedelta

import anyio
import httpx
import pytest

from gateway.client import Gateway, StaticToken
from gateway.client.exchange import ID_TOKEN, GatewayLogin
from gateway.clock import utc_now
from gateway.devstack.vault_api import VaultApi
from gateway.errors import VaultUnavailable
from gateway.keys import lifecycle
from gateway.model import LinkMode
from gateway.rotation.assemble import assemble
from gateway.rotation.keks import Keks
from gateway.rotation.machine import State
from gateway.settings import load
from gateway.state import passwords

pytestmark = pytest.mark.integration

LINKS_LIVE, TOKENS_LIVE = 4, 10
"""Seconds. Links could live for longer; nobody here follows them later, and the rotation is told so."""
CONTENT = bytes(range(256)) * 400


class Load:
    """Somebody who logs in, publishes, pulls, and follows links as late as they may, at two gateways in turn."""

    def __init__(self, gateways, id_token):
        self._gateways = gateways
        self._id_token = id_token
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.rounds = 0
        self.failures = []
        self.last = {}

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _run(self):
        name, waiting = f"dataset/vision/t-{secrets.token_hex(6)}", deque()
        with httpx.Client(trust_env=False, timeout=30) as http:
            while not self._stop.wait(0.2):
                try:
                    self._round(http, name, waiting)
                except Exception as error:  # noqa: BLE001 -- whatever it is, it is a request that failed
                    self.failures.append(f"round {self.rounds}: {type(error).__name__}: {error}")

    def _round(self, http, name, waiting):
        one, two = self._gateways if self.rounds % 2 else reversed(self._gateways)
        token = GatewayLogin(one.url, http).exchange(self._id_token, ID_TOKEN).text
        with ExitStack() as opened:
            sdk = opened.enter_context(Gateway(two.url, token_source=StaticToken(token)))
            self._publish(sdk, name)
            for mode in LinkMode:
                waiting.append((time.monotonic() + LINKS_LIVE * 0.7, one, sdk.link(f"{name}@v1/a", mode=mode)))
            assert b"".join(sdk.read(f"{name}@latest/a")) == CONTENT
        while waiting and waiting[0][0] <= time.monotonic():
            _, gateway, link = waiting.popleft()
            url = link.url
            if link.mode is LinkMode.STREAM:
                url = f"{gateway.url}/d/{url.rpartition('/')[2]}"
            answer = http.get(url)
            assert answer.status_code == 200, (link.mode, answer.status_code, answer.text[:300])
            self.last[link.mode] = url
        self.last["token"] = token
        self.rounds += 1

    def _publish(self, sdk, name):
        folder = self._gateways[0].folder / f"push-{self.rounds}"
        folder.mkdir(exist_ok=True)
        (folder / "a").write_bytes(CONTENT)
        (folder / "round").write_text(str(self.rounds))
        sdk.push(folder, name)


@pytest.fixture
def pair(own_vault, own_database, redis_server, s3_user, start_gateway):
    """Two gateways that are one to those who use them, on a database, a Redis, keys and logins of their own."""
    common = {
        "vault": own_vault["vault"],
        "keys": own_vault["keys"],
        "storage": s3_user,
        "state": own_database,
        "redis": {"url": redis_server.url, "password_file": str(redis_server.password_file)},
        "tokens": {"lifetime": TOKENS_LIVE},
        "rotation": own_vault["rotation"] | {"settle": 4},
    }
    one = start_gateway(common)
    two = start_gateway(
        common | {"server": {"public_url": one.url}, "audit": {"instance": "gateway-2", "origin": "gateway-2"}}
    )
    return one, two


def replace_all(settings):
    async def run():
        async with assemble(settings, utc_now) as rotation:
            return await rotation.run(rotation.secrets, wait=True)

    return anyio.run(run)


@pytest.fixture
def settles_fast(monkeypatch):
    """Lets old versions of KEKs go after seconds: nobody here is as slow as they are given time for."""
    monkeypatch.setattr(lifecycle, "SETTLE", timedelta(seconds=4))
    monkeypatch.setattr(Keks, "overlap", timedelta(seconds=4))


@pytest.mark.timeout(180)
@pytest.mark.usefixtures("settles_fast")
def test_everything_is_replaced_and_not_one_request_fails(pair, id_token_of, stack, redis_server, operator):
    one, two = pair
    settings = load(one.folder / "gateway.toml")
    shorter = settings.links.model_copy(update={"max_ttl": timedelta(seconds=LINKS_LIVE)})
    probed = settings.rotation.model_copy(update={"probes": [one.url, two.url]})
    settings = settings.model_copy(update={"links": shorter, "rotation": probed})
    login, old_secret_id = settings.vault, settings.vault.secret_id_file.read_text()
    old_passwords = settings.state.password_file.read_text(), redis_server.password_file.read_text()
    with Load(pair, id_token_of("ada", stack.issuer)) as load_of_one:
        while not load_of_one.last.get(LinkMode.STREAM):
            assert not load_of_one.failures, load_of_one.failures
            time.sleep(0.1)
        before = dict(load_of_one.last)
        results = replace_all(settings)
        after = load_of_one.rounds
        while load_of_one.rounds < after + 3 and not load_of_one.failures:
            time.sleep(0.1)
    assert not load_of_one.failures, load_of_one.failures
    assert after > 5
    assert {result.state for result in results} == {State.REPLACED}, results
    assert len(results) == 10

    for gateway in pair:
        answer = httpx.get(f"{gateway.url}/v1/whoami", headers={"authorization": f"Bearer {before['token']}"})
        assert (answer.status_code, answer.json()["code"]) == (401, "unknown-signing-key")
        link = httpx.get(f"{gateway.url}/d/{before[LinkMode.STREAM].rpartition('/')[2]}")
        assert (link.status_code, link.json()["code"]) == (403, "link-refused")
    assert b"InvalidAccessKeyId" in httpx.get(before[LinkMode.DIRECT]).content
    anonymous = VaultApi(operator.address)
    with pytest.raises(VaultUnavailable, match="400"):
        anonymous.write("auth/approle/login", role_id=login.role_id_file.read_text(), secret_id=old_secret_id)
    anonymous.close()
    assert not anyio.run(passwords.opens_postgresql, settings.state.url, old_passwords[0])
    assert not anyio.run(passwords.opens_redis, redis_server.url, old_passwords[1])
