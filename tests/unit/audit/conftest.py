"""A journal's lines, events and clock for the tests of `gateway.audit`."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.audit.canonical import encode_event
from gateway.audit.event import decided, journal_started
from gateway.audit.ocsf import milliseconds
from gateway.audit.record import Head, genesis, seal
from gateway.model import AccessRequest, Decision, Outcome, Principal, PrincipalKind, ResourceName, Version

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
