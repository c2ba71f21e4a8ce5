"""Syslog receivers over TLS that refuse, hang, stop half-way, or are not who they should be."""

import json
import re
import socket
import ssl
import threading
import time
from collections import Counter
from contextlib import contextmanager
from datetime import timedelta

import pytest

from gateway.audit.canonical import encode_event
from gateway.audit.record import Record
from gateway.audit.sinks.formats import cef, ocsf
from gateway.audit.sinks.syslog import Receiver, SyslogTarget, message
from gateway.audit.sinks.target import batch_of
from gateway.audit.sinks.webhook import client_tls
from gateway.errors import SinkUnavailable

pytestmark = pytest.mark.anyio

RFC_5424 = re.compile(
    rb"<(\d{1,3})>1 (\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z|-) (\S{1,255}) (\S{1,48}) - (\S{1,32}) "
    rb'\[meta sequenceId="(\d+)"\] (.*)',
    re.DOTALL,
)


class Server:
    """Reads frames by their length, as its script says, a step for each connection."""

    def __init__(self, context, script):
        self.context = context
        self.script = list(script)
        self.messages = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            plain.settimeout(2)
            step = self.script.pop(0) if self.script else "well"
            try:
                self.take(step, plain)
            except OSError:
                plain.close()

    def take(self, step, plain):
        if step == "refuse":
            plain.close()
            return
        connection = self.context.wrap_socket(plain, server_side=True, suppress_ragged_eofs=False)
        if step == "hang":
            time.sleep(0.5)
            connection.close()
            return
        data = connection.recv(1000)
        if step == "half":
            connection.close()
            return
        while not step.startswith("half") and (more := self.rest(connection)):
            data += more
            if step == "slow":
                time.sleep(0.01)
        self.messages += frames(data)
        if step == "rude":
            connection.close()  # the end of the connection, without TLS's
            return
        connection.unwrap().close()

    @staticmethod
    def rest(connection):
        try:
            return connection.recv(700)
        except ssl.SSLZeroReturnError:
            return b""

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


def frames(data):
    while data:
        length, _, rest = data.partition(b" ")
        yield rest[: int(length)]
        data = rest[int(length) :]


@pytest.fixture
def serving(certificate):
    @contextmanager
    def serving(*script):
        server = Server(certificate[1], script)
        try:
            yield server
        finally:
            server.close()

    return serving


@pytest.fixture
def target(certificate):
    def target(port, *, host="localhost", closes_well=True, tls=None, encode=ocsf):
        context = tls or client_tls(certificate[0])
        receiver = Receiver(host, port, context, timedelta(seconds=0.3), closes_well=closes_well)
        return SyslogTarget(receiver, encode)

    return target


def uids_of(messages):
    return [json.loads(RFC_5424.fullmatch(one)[7])["metadata"]["uid"] for one in messages]


async def test_a_receiver_that_we_do_not_trust_gets_nothing(serving, target, delivery_to):
    with serving() as server:
        with pytest.raises(SinkUnavailable, match="SSLCertVerificationError"):
            await delivery_to(target(server.port, tls=client_tls(None))).step()
        with pytest.raises(SinkUnavailable, match="SSLCertVerificationError"):
            await delivery_to(target(server.port, host="127.0.0.1")).step()
    assert server.messages == []


@pytest.mark.parametrize(
    "script",
    [["refuse", "refuse"], ["hang"], ["half", "half"], ["slow"], ["well", "half", "refuse", "hang"]],
    ids=str,
)
async def test_whatever_the_receiver_does_nothing_is_lost(script, serving, target, delivery_to, settle, uids):
    with serving(*script) as server:
        await settle(delivery_to(target(server.port)))
    assert list(dict.fromkeys(uids_of(server.messages))) == uids


async def test_an_end_without_tls_own_is_not_an_answer(serving, target, delivery_to, settle, uids):
    with serving("rude") as server:
        await settle(delivery_to(target(server.port)))
    assert Counter(uids_of(server.messages)) == Counter(uids) + Counter(uids[:4])


async def test_unless_the_receiver_is_known_to_end_so(serving, target, delivery_to, settle, uids):
    with serving("rude", "rude", "rude") as server:
        await settle(delivery_to(target(server.port, closes_well=False)))
    assert uids_of(server.messages) == uids


async def test_messages_are_rfc_5424(serving, target, delivery_to):
    with serving() as server:
        delivery = delivery_to(target(server.port, encode=cef))
        while await delivery.step():
            pass
        await delivery._target.close()
    found = [RFC_5424.fullmatch(one) for one in server.messages]
    assert [one[6] for one in found] == [b"%d" % seq for seq in range(1, 12)]
    assert found[1].groups()[:5] == (b"110", b"2026-03-01T12:00:00.000Z", b"gateway-1", b"ml-data-gateway", b"6003")
    assert found[1][7].startswith(b"CEF:0|")


async def test_an_event_that_says_little_is_a_notice():
    record = Record(2**31, b"", encode_event({"severity_id": "odd"}), b"")
    assert message(record, "gateway-1", ocsf).startswith(
        b'<109>1 - gateway-1 ml-data-gateway - - [meta sequenceId="1"] {'
    )
    assert message(Record(1, b"", encode_event({"severity_id": 77}), b""), "g", ocsf).startswith(b"<109>1 ")


async def test_a_failure_is_more_than_a_notice(journal):
    batch = batch_of("gateway-1", await journal.lines(after=0, limit=1))
    assert message(batch.records[0], "g", ocsf).startswith(b"<110>1 ")
