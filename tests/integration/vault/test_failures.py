"""Vault sealed, restarted, frozen, slow or in a rush: each use of a key ends in time, and goes on when Vault does."""

import asyncio
import contextlib
import itertools
import os
import signal
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gateway.errors import IntegrityError, VaultCircuitOpen, VaultUnavailable

pytestmark = [pytest.mark.integration, pytest.mark.anyio]


async def fail(vault, match, *, within):
    """Ask Vault until it is left alone; each answer comes in time."""
    for _ in range(5):
        before = time.monotonic()
        with pytest.raises(VaultUnavailable, match=match):
            await vault.check()
        assert time.monotonic() - before < within


async def recover(vault, *, within=20):
    deadline = time.monotonic() + within
    while True:
        try:
            return await vault.check()
        except VaultUnavailable:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)


async def test_sealed_in_flight_it_is_left_alone_and_found_again(own_bao, transit):
    vault = transit(own_bao.settings)
    await vault.check()
    own_bao.seal()
    try:
        await fail(vault, "is sealed|left alone", within=1)
        before = time.monotonic()
        with pytest.raises(VaultCircuitOpen, match="left alone") as refusal:
            await vault.check()
        assert time.monotonic() - before < 0.1  # nobody was asked
        assert 0 < refusal.value.retry_after.total_seconds() <= 1.5
        with pytest.raises(VaultUnavailable) as refusal:
            await vault.new_data_key("gateway-links")
        assert refusal.value.code == "vault-unavailable"
    finally:
        own_bao.unseal()
    await recover(vault)
    await vault.new_data_key("gateway-links")


async def test_a_use_waits_out_a_short_absence(own_bao, transit, relay):
    line = relay(own_bao.bao.address)
    vault = transit(own_bao.settings, address=line.url)
    await vault.check()
    line.cut()
    threading.Timer(0.05, line.join).start()
    key = await vault.new_data_key("gateway-links")
    assert len(key.plaintext) == 32


async def test_what_may_have_happened_is_not_done_again(own_bao, transit, relay):
    line = relay(own_bao.bao.address)
    vault = transit(own_bao.settings, address=line.url)
    kek = "gateway-rotated-once"
    await vault.create_kek(kek)
    line.cut_after(0)  # the answer is lost, and not what was asked
    with pytest.raises(VaultUnavailable):
        await vault.rotate_kek(kek)
    assert own_bao.operator.read(f"transit/keys/{kek}")["data"]["latest_version"] == 2


async def test_a_restart_needs_no_restart_of_ours(own_bao, transit):
    vault = transit(own_bao.settings)
    key = await vault.new_data_key("gateway-links")
    own_bao.stop()
    await fail(vault, "does not answer|left alone", within=1)
    own_bao.start()
    await recover(vault)
    assert await vault.unwrap("gateway-links", key.wrapped) == key.plaintext


async def test_frozen_it_holds_nobody_for_longer_than_our_patience(own_bao, transit):
    vault = transit(own_bao.settings)
    await vault.check()
    os.kill(own_bao.bao.process.pid, signal.SIGSTOP)
    try:
        before = time.monotonic()
        outcomes = await asyncio.gather(
            *(vault.new_data_key("gateway-links") for _ in range(60)), return_exceptions=True
        )
        assert time.monotonic() - before < 4.5  # 3 s, and this machine
        assert {type(outcome) for outcome in outcomes} == {VaultUnavailable}
        with pytest.raises(VaultCircuitOpen):
            await vault.check()
    finally:
        os.kill(own_bao.bao.process.pid, signal.SIGCONT)
    await recover(vault)


async def test_an_answer_that_trickles_is_given_up_as_well(own_bao, transit):
    with answering(trickle) as (address, asked):
        vault = transit(own_bao.settings, address=address)
        before = time.monotonic()
        with pytest.raises(VaultUnavailable, match="has not answered within 3 s"):
            await vault.check()
        assert time.monotonic() - before < 4
        assert len(asked) == 1


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (412, "has not caught up"),
        (429, "asks us to slow down"),
        (472, "is a standby of another cluster"),
        (473, "is a standby that answers nothing"),
        (500, "failed"),
        (502, "cannot be reached by the proxy"),
        (503, "is sealed"),
        (504, "does not answer the proxy"),
    ],
)
async def test_an_absence_is_named_and_tried_again(own_bao, transit, status, said):
    with answering(status) as (address, asked):
        vault = transit(own_bao.settings, address=address)
        with pytest.raises(VaultUnavailable, match=said):
            await vault.unwrap("gateway-links", "vault:v1:AAAA")
        assert len(asked) == 3


async def test_we_come_back_no_sooner_than_we_are_told(own_bao, transit):
    with answering(429, {"Retry-After": "1"}) as (address, asked):
        vault = transit(own_bao.settings, address=address)
        with pytest.raises(VaultUnavailable, match="slow down") as refusal:
            await vault.unwrap("gateway-links", "vault:v1:AAAA")
        assert refusal.value.retry_after.total_seconds() == 1
        assert all(later - earlier >= 1 for earlier, later in itertools.pairwise(asked))
        assert len(asked) > 1


@pytest.mark.parametrize("text", ["", "-1", "1e9", "²", "Fri, 31 Dec 1999 23:59:59 GMT"])
async def test_a_waiting_time_that_is_no_number_of_seconds_is_none(own_bao, transit, text):
    with answering(503, {"Retry-After": text.encode("utf-8").decode("latin-1")}) as (address, _):
        with pytest.raises(VaultUnavailable) as refusal:
            await transit(own_bao.settings, address=address).check()
        assert refusal.value.retry_after is None


async def test_a_refusal_of_a_key_is_an_answer_and_opens_no_circuit(own_bao, transit):
    vault = transit(own_bao.settings)
    for _ in range(6):
        with pytest.raises(IntegrityError):
            await vault.unwrap("gateway-links", "vault:v9:AAAA")
    await vault.check()


def trickle(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(b" ")
        time.sleep(0.1)


@contextmanager
def answering(how, headers=None):
    """Serve one answer to everything; yields the address, and the times of what was asked."""
    asked = []

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append(time.monotonic())
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if callable(how):
                with contextlib.suppress(OSError):
                    how(self)
                return
            self.send_response(how)
            for name, value in ((headers or {}) | {"Content-Length": "0"}).items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_):
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()
