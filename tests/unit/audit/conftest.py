"""A journal's lines, events and clock for the tests of `gateway.audit`."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.audit.canonical import encode_event
from gateway.audit.event import decided, journal_started
from gateway.audit.journal import Journal
from gateway.audit.notary import Notary
from gateway.audit.note import VerifierKey
from gateway.audit.ocsf import milliseconds
from gateway.audit.record import Head, genesis, seal
from gateway.audit.tile_archive import TileArchive
from gateway.errors import VaultUnavailable
from gateway.model import AccessRequest, Decision, Outcome, Principal, PrincipalKind, ResourceName, Version
from gateway.storage.memory import MemoryObjectStore

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def noon():
    return NOON


@pytest.fixture
def clock():
    """A clock that goes on by a second each time that it is read."""
    ticks = iter(range(1_000_000))
    return lambda: NOON + timedelta(seconds=next(ticks))


@pytest.fixture
def ada():
    return Principal(
        issuer="people",
        subject="5f2c",
        kind=PrincipalKind.USER,
        name="ada",
        groups=frozenset({"ml-research", "everyone"}),
        claims={"secret_claim": "CLAIM-VALUE"},
        amr=("pwd", "otp"),
        token_id="jti-1",
        expires_at=NOON + timedelta(hours=1),
    )


@pytest.fixture
def reading(ada):
    return AccessRequest(
        ada, "gateway:ReadFile", "dataset/vision/digits/latest/train.csv", {"aws:UserAgent": "CONTEXT-VALUE"}
    )


@pytest.fixture
def allow():
    return Decision(Outcome.ALLOW, ("vision#ReadTrain", "vision#ReadAll"), "ab" * 32)


@pytest.fixture
def deny():
    return Decision(Outcome.IMPLICIT_DENY, (), "ab" * 32, step_up="acr=phishing-resistant")


@pytest.fixture
def third_version():
    digits = ResourceName.parse("dataset/vision/digits")
    return Version(digits, 3, "sha256:" + "cd" * 32, 2, 1024, NOON, "ada")


@pytest.fixture
def origin():
    return {"at": NOON, "request_id": "req-1", "source_ip": "192.0.2.7"}


@pytest.fixture
def an_event(reading, allow, origin):
    return lambda: decided(reading, allow, **origin)


@pytest.fixture
def seal_all():
    """Seal events into lines, from a journal's genesis or from a head."""

    def seal_all(events, head=None):
        head = head or Head(0, genesis("gateway-1", milliseconds(NOON)))
        lines = []
        for event in events:
            line, head = seal(head, encode_event(event))
            lines.append(line)
        return lines

    return seal_all


@pytest.fixture
def whole(seal_all):
    """Seven lines of a whole journal."""
    return seal_all([journal_started("gateway-1", at=NOON), *({"n": n} for n in range(2, 8))])


ORIGIN = "gateway.example.com/audit/gateway-1"


class Signer:
    """A `gateway.ports.CheckpointSigner` with keys of its own; it can be away."""

    def __init__(self):
        self._keys = [Ed25519PrivateKey.generate()]
        self.away = False

    def rotate(self):
        self._keys.append(Ed25519PrivateKey.generate())

    def verifiers(self, origin=ORIGIN):
        return [VerifierKey(origin, key.public_key().public_bytes_raw()) for key in self._keys]

    async def checkpoint_keys(self):
        if self.away:
            raise VaultUnavailable("Vault does not answer.")
        return [key.public_key().public_bytes_raw() for key in self._keys]

    async def sign_checkpoint(self, message):
        return self._keys[-1].public_key().public_bytes_raw(), self._keys[-1].sign(message)


@pytest.fixture
def signer():
    return Signer()


@pytest.fixture
def objects():
    return MemoryObjectStore()


@pytest.fixture
def notarise(tmp_path, clock, signer, objects):
    """Opens a journal with its notary; both are closed by closing the notary."""

    async def open_both(directory=tmp_path, **options):
        journal = Journal(directory, instance="gateway-1", clock=clock)
        await journal.open()
        archive = TileArchive(objects, origin=ORIGIN, keep=timedelta(days=1), clock=clock)
        defaults = {"archive": archive, "origin": ORIGIN, "interval": timedelta(seconds=10), "events": 1000}
        options = defaults | options
        return journal, Notary(journal, signer, options.pop("archive"), clock, **options)

    return open_both
