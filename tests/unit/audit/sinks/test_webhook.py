"""Receivers on loopback that refuse, hang, answer 500, cut and drip: nothing lost, duplicates with the same id."""

import base64
import hashlib
import hmac
import json
import socket
from collections import Counter
from datetime import timedelta

import anyio
import pytest

from gateway.audit.canonical import encode_event
from gateway.audit.record import Head, parse, seal
from gateway.audit.sinks.formats import cef, ocsf
from gateway.audit.sinks.target import batch_of
from gateway.audit.sinks.webhook import HecTarget, WebhookTarget, client_tls
from gateway.errors import InvalidConfiguration, SinkUnavailable

pytestmark = pytest.mark.anyio

SECRET = b"made-up-secret-of-32-bytes------"
SECOND = timedelta(seconds=1)


@pytest.fixture
def webhook(noon):
    def webhook(port, encode=ocsf):
        return WebhookTarget(
            f"http://127.0.0.1:{port}/in", secret=SECRET, encode=encode, clock=lambda: noon, timeout=SECOND
        )

    return webhook


@pytest.mark.parametrize(
    "script",
    [
        [500, 502, 503],
        [429, 401, 403, 404, 301],
        ["hang"],
        ["cut", "cut"],
        ["take and cut", 200, "take and cut"],
        ["slow", "slow"],
        [200, "cut", 500, "hang", "take and cut"],
    ],
    ids=str,
)
async def test_whatever_the_receiver_does_nothing_is_lost(script, receiving, webhook, delivery_to, settle, uids):
    async with receiving(script) as receiver:
        await settle(delivery_to(webhook(receiver.port)))
    assert set(receiver.taken_uids) == set(uids)
    twice = Counter(receiver.taken_uids) - Counter(uids)
    assert sum(twice.values()) == 4 * script.count("take and cut")


async def test_a_receiver_that_refuses_connections_gets_all_when_it_is_back(receiving, webhook, delivery_to, uids):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        delivery = delivery_to(webhook(taken.getsockname()[1]))
        with pytest.raises(SinkUnavailable, match="ConnectError"):
            await delivery.step()
    async with receiving() as receiver:
        delivery = delivery_to(webhook(receiver.port))
        while await delivery.step():
            pass
    assert receiver.taken_uids == uids


async def test_a_poisonous_event_alone_becomes_a_dead_letter(receiving, webhook, delivery_to, settle, uids, tmp_path):
    def picky(body):
        return 422 if uids[5].encode() in body else 200

    async with receiving([picky]) as receiver:
        await settle(delivery_to(webhook(receiver.port)))
    assert receiver.taken_uids == [uid for uid in uids if uid != uids[5]]
    letter = json.loads((tmp_path / "sinks" / "siem.dead.ndjson").read_text())
    assert (letter["seq"], letter["event"]["metadata"]["uid"]) == (6, uids[5])


async def test_the_receiver_can_tell_that_it_was_us(receiving, webhook, delivery_to, noon):
    async with receiving() as receiver:
        await delivery_to(webhook(receiver.port)).step()
    [head], [body] = receiver.heads, receiver.taken
    assert (head["webhook-id"], head["webhook-timestamp"]) == ("gateway-1-1-4", str(int(noon.timestamp())))
    signed = b".".join([b"gateway-1-1-4", head["webhook-timestamp"].encode(), body])
    wanted = base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
    assert head["webhook-signature"].lower() == f"v1,{wanted}".lower()


async def test_splunk_gets_events_with_their_time_and_host(receiving, delivery_to, noon, uids):
    async with receiving() as receiver:
        target = HecTarget(
            f"http://127.0.0.1:{receiver.port}/services/collector/event",
            token="made-up-token",
            encode=ocsf,
            timeout=SECOND,
            index="audit",
        )
        await delivery_to(target).step()
        await target.close()
    decoder, text, found = json.JSONDecoder(), receiver.taken[0].decode(), []
    while text:
        event, end = decoder.raw_decode(text)
        found.append(event)
        text = text[end:]
    assert [one["event"]["metadata"]["uid"] for one in found] == uids[:4]
    assert found[0] | {"event": {}} == {
        "host": "gateway-1",
        "source": "ml-data-gateway",
        "sourcetype": "ocsf:json",
        "time": f"{noon.timestamp():.3f}",
        "index": "audit",
        "event": {},
    }
    assert receiver.heads[0]["authorization"] == "splunk made-up-token"


async def test_splunk_gets_texts_as_texts_and_no_time_where_there_is_none(receiving):
    line, _ = seal(Head(0, b"0" * 64), encode_event({"no": "time"}))
    async with receiving() as receiver:
        url = f"http://127.0.0.1:{receiver.port}/"
        target = HecTarget(url, token="t", encode=cef, timeout=SECOND, sourcetype="cef")
        await target.send(batch_of("gateway-1", [line]))
        await target.close()
    event = json.loads(receiver.taken[0])
    assert event["event"].startswith("CEF:0|")
    assert "time" not in event
    assert parse(line)


async def test_an_answer_that_drips_for_ever_ends(receiving, webhook, delivery_to):
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610  # a socket's, not SQL's

        async def serve(stream):
            async with stream:
                await stream.receive()
                with anyio.move_on_after(2):
                    await stream.send(b"HTTP/1.1 200 OK\r\n")
                    while True:
                        await stream.send(b"x: y\r\n")
                        await anyio.sleep(0.05)

        async with anyio.create_task_group() as group:
            group.start_soon(listener.serve, serve)
            with pytest.raises(SinkUnavailable, match=r"No answer in 0\.4 s"):
                await delivery_to(webhook(port)).step()
            group.cancel_scope.cancel()


def test_certificates_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(InvalidConfiguration, match="certificates in"):
        client_tls(tmp_path / "none.pem")


def test_tls_is_verified_and_new(certificate):
    context = client_tls(certificate[0])
    assert context.check_hostname
    assert context.verify_mode.name == "CERT_REQUIRED"
    assert context.minimum_version.name == "TLSv1_2"
