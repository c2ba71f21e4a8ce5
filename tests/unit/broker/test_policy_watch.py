"""The watch tells each change once the journal takes it, and nothing ends it."""

from datetime import UTC, datetime

import anyio
import pytest

from gateway.broker import policy_watch
from gateway.broker.policy_watch import PolicyWatch
from gateway.errors import InvalidPolicy, JournalUnavailable

pytestmark = pytest.mark.anyio


class Policies:
    """Has news as it is told to."""

    def __init__(self, *news):
        self.news = list(news)
        self.fault = None
        self.current = type("Set", (), {"digest": "ab" * 32})

    def refresh(self):
        found = self.news.pop(0) if self.news else False
        if isinstance(found, InvalidPolicy):
            self.fault = found
            return True
        if isinstance(found, Exception):
            raise found
        return found


class Journal:
    """Is full for the first events."""

    def __init__(self, full=0):
        self.full = full
        self.said = []
        self.told = anyio.Event()

    async def append(self, event):
        if self.full:
            self.full -= 1
            raise JournalUnavailable("full")
        self.said.append(event["message"])
        self.told.set()


@pytest.fixture
def watch(monkeypatch):
    monkeypatch.setattr(policy_watch, "_LOOK_EVERY_SECONDS", 0.001)

    async def until_told(policies, journal):
        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                group.start_soon(PolicyWatch(policies, journal, lambda: datetime(2026, 1, 1, tzinfo=UTC)).run)
                await journal.told.wait()
                await anyio.sleep(0.01)
                group.cancel_scope.cancel()
        return journal.said

    return until_told


async def test_an_invalid_folder_is_an_alert_and_readiness_says_so(watch):
    policies = Policies(InvalidPolicy("a.json:1:1: no"))
    (said,) = await watch(policies, Journal())
    assert "a.json:1:1: no" in said
    with pytest.raises(InvalidPolicy):
        await PolicyWatch(policies, Journal(), None).check()


async def test_a_change_that_the_journal_cannot_take_yet_is_told_later_and_once(watch):
    assert len(await watch(Policies(True), Journal(full=3))) == 1


async def test_a_look_that_fails_does_not_end_the_watch(watch, caplog):
    assert len(await watch(Policies(OSError("gone"), True), Journal())) == 1
    assert "could not be looked at" in caplog.text
