"""A real journal, real receivers on loopback that misbehave on purpose, and a certificate for them."""

import asyncio
import json
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import anyio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.audit.journal import Journal
from gateway.audit.record import parse
from gateway.audit.sinks.cursor import Cursor
from gateway.audit.sinks.delivery import Delivery, Pace

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
QUICK = Pace(
    batch=4,
    patience=timedelta(seconds=0.4),
    poll=timedelta(milliseconds=5),
    first_wait=timedelta(milliseconds=1),
    longest_wait=timedelta(milliseconds=10),
)


@pytest.fixture
async def journal(tmp_path, an_event):
    """A journal of eleven records."""
    async with Journal(tmp_path / "audit", instance="gateway-1", clock=lambda: NOON) as opened:
        await opened.append_all([an_event() for _ in range(10)])
        yield opened


@pytest.fixture
async def uids(journal):
    return [parse(line).read_event()["metadata"]["uid"] for line in await journal.lines(after=0, limit=100)]


@pytest.fixture
def delivery_to(journal, tmp_path):
    """Make a delivery from the journal to a target, with a cursor on disk."""

    def delivery_to(target, pace=QUICK, name="siem", clock=lambda: NOON + timedelta(seconds=90)):
        return Delivery(name, journal, target, Cursor(tmp_path / "sinks", name), clock=clock, pace=pace)

    return delivery_to


@pytest.fixture
def settle():
    """Run a delivery until nothing waits."""

    async def settle(delivery, within=20):
        with anyio.fail_after(within):
            async with anyio.create_task_group() as group:
                group.start_soon(delivery.run)
                while (await delivery.standing()).waiting:  # noqa: ASYNC110  # a state, not an event, is waited for
                    await anyio.sleep(0.005)
                group.cancel_scope.cancel()

    return settle


class Receiver:
    """A server that does as its script says, a step for each connection, and behaves well when it is through."""

    def __init__(self, script=()):
        self.script = list(script)
        self.taken = []
        """What was taken: bodies over HTTP, messages by syslog."""
        self.heads = []
        self.connections = 0
        self.port = 0

    @property
    def taken_uids(self):
        return [json.loads(event)["metadata"]["uid"] for body in self.taken for event in body.splitlines()]

    async def http(self, reader, writer):
        self.connections += 1
        step = self.script.pop(0) if self.script else 200
        try:
            await self._http(step, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _http(self, step, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().lower().split("\r\n")[1:] if line)
        length = int(fields["content-length"])
        if step == "cut":
            await reader.readexactly(length // 2)
            writer.transport.abort()
            return
        body = await reader.readexactly(length)
        if step == "take and cut":
            self.taken.append(body)
            writer.transport.abort()
            return
        if step == "hang":
            await asyncio.sleep(2)
            return
        if step == "slow":
            await asyncio.sleep(0.15)
        status = step if isinstance(step, int) else 200
        if callable(step):
            status = step(body)
            self.script.insert(0, step)
        if status == 200:
            self.taken.append(body)
            self.heads.append(fields)
        writer.write(b"HTTP/1.1 %d X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % status)
        await writer.drain()


@pytest.fixture
def receiving():
    """Serve a receiver on loopback."""

    @asynccontextmanager
    async def receiving(script=()):
        receiver = Receiver(script)
        server = await asyncio.start_server(receiver.http, "127.0.0.1", 0)
        receiver.port = server.sockets[0].getsockname()[1]
        try:
            yield receiver
        finally:
            server.close()

    return receiving


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A certificate for `localhost`, signed by itself, and a server's context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    public, private = folder / "ca.pem", folder / "key.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return public, context
