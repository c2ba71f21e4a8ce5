"""Detection over a real journal: findings are events, and a restart neither forgets nor counts twice."""

import sqlite3
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from gateway.audit.detection.detector import Detector, detection_of
from gateway.audit.detection.memory import KEPT, Memory
from gateway.audit.detection.rules import rules_of
from gateway.audit.event import decided
from gateway.audit.journal import Journal
from gateway.audit.record import parse
from gateway.audit.sinks.cursor import Cursor
from gateway.audit.sinks.delivery import Delivery
from gateway.audit.sinks.fleet import Outside, Sinks
from gateway.audit.sinks.target import batch_of
from gateway.errors import JournalUnavailable, SinkUnavailable
from gateway.settings import DetectionSettings
from gateway.storage.memory import MemoryObjectStore

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
RULES = rules_of(DetectionSettings(refusals=5))


@pytest.fixture
async def journal(tmp_path):
    async with Journal(tmp_path / "audit", instance="gateway-1", clock=lambda: NOON) as opened:
        yield opened


@pytest.fixture
def detector(journal, tmp_path):
    return lambda: Detector(RULES, journal, tmp_path / "detection.sqlite", lambda: NOON)


@pytest.fixture
def refuse(journal, reading, deny, origin):
    async def refuse(count):
        return await journal.append_all([decided(reading, deny, **origin) for _ in range(count)])

    return refuse


async def deliver(journal, detector, tmp_path):
    delivery = Delivery("detection", journal, detector, Cursor(tmp_path / "sinks", "detection"), clock=lambda: NOON)
    while await delivery.step():
        pass
    await detector.close()


async def findings_of(journal):
    events = [parse(line).read_event() for line in await journal.lines(after=0, limit=1000)]
    return [event for event in events if event["class_uid"] == 2004]


async def test_a_memory_that_cannot_be_used_is_said(journal, tmp_path, refuse):
    (tmp_path / "broken").write_bytes(b"no database, and long enough to be looked at as one" * 30)
    with pytest.raises(SinkUnavailable, match="memory cannot be used"):
        Detector(RULES, journal, tmp_path / "broken", lambda: NOON)


async def test_a_finding_that_is_not_recorded_is_looked_for_again(journal, tmp_path, refuse, detector):
    await refuse(5)
    batch = batch_of("gateway-1", await journal.lines(after=0, limit=100))

    class Full:
        async def append_all(self, events):
            raise JournalUnavailable("full")

    broken = Detector(RULES, Full(), tmp_path / "detection.sqlite", lambda: NOON)
    for _ in range(2):
        with pytest.raises(JournalUnavailable):
            await broken.send(batch)
    await broken.close()
    await deliver(journal, detector(), tmp_path)
    assert len(await findings_of(journal)) == 1


async def test_a_finding_is_an_event_with_its_evidence(journal, tmp_path, refuse, detector):
    uids = await refuse(5)
    await deliver(journal, detector(), tmp_path)
    [found] = await findings_of(journal)
    assert found["finding_info"]["types"] == ["refusal-burst"]
    assert [one["uid"] for one in found["finding_info"]["related_events"]] == uids
    assert found["evidences"][0]["actor"]["user"] == {"name": "ada", "uid": "5f2c", "domain": "people"}


async def test_what_was_seen_survives_a_restart(journal, tmp_path, refuse, detector):
    await refuse(3)
    await deliver(journal, detector(), tmp_path)
    assert await findings_of(journal) == []
    await refuse(2)
    await deliver(journal, detector(), tmp_path)
    assert len(await findings_of(journal)) == 1


async def test_a_batch_that_comes_twice_counts_once(journal, tmp_path, refuse, detector):
    await refuse(3)
    batch = batch_of("gateway-1", await journal.lines(after=0, limit=100))
    one = detector()
    for _ in range(3):
        await one.send(batch)
    await one.close()
    assert await findings_of(journal) == []


async def test_a_kill_between_finding_and_noting_tells_again_under_the_same_id(journal, tmp_path, refuse, detector):
    await refuse(5)
    batch = batch_of("gateway-1", await journal.lines(after=0, limit=100))
    killed = detector()
    killed._memory.commit = lambda *_: (_ for _ in ()).throw(sqlite3.OperationalError("killed"))
    with pytest.raises(SinkUnavailable):
        await killed.send(batch)
    await killed.close()
    await deliver(journal, detector(), tmp_path)
    once, twice = await findings_of(journal)
    assert once["metadata"]["uid"] == twice["metadata"]["uid"]


def test_who_was_not_seen_for_long_is_forgotten(tmp_path):
    memory = Memory(tmp_path / "m")
    memory.note("rule", "ada")["x"] = 1
    memory.note("rule", "nobody")
    memory.commit(1, NOON)
    assert memory.note("rule", "ada") == {"x": 1}
    assert memory.note("rule", "nobody") == {}
    memory.rollback()
    memory.note("rule", "ivan")["x"] = 2
    memory.commit(2, NOON + KEPT + timedelta(seconds=1))
    assert (memory.note("rule", "ada"), memory.note("rule", "ivan"), memory.seq) == ({}, {"x": 2}, 2)
    memory.close()


async def test_it_runs_beside_the_sinks_where_it_is_enabled(journal, tmp_path, refuse):
    outside = Outside(journal, MemoryObjectStore(), lambda: NOON, tmp_path / "sinks")
    assert detection_of(DetectionSettings(enabled=False), outside, journal) == []
    await refuse(20)
    async with Sinks(detection_of(DetectionSettings(), outside, journal)):
        with anyio.fail_after(10):
            while not await findings_of(journal):  # noqa: ASYNC110  # a state, not an event, is waited for
                await anyio.sleep(0.01)
