"""Another access key at S3 is told once the journal takes it, and nothing ends the watch."""

import threading
from datetime import UTC, datetime

import anyio
import pytest
from anyio import to_thread

from gateway.broker import signer_watch
from gateway.broker.signer_watch import SignerWatch
from gateway.errors import JournalUnavailable
from gateway.ports import StorageCredentials

pytestmark = pytest.mark.anyio


class Journal:
    """Is full for the first event."""

    def __init__(self):
        self.full = True
        self.said = []

    async def append(self, event):
        if self.full:
            self.full = False
            raise JournalUnavailable("full")
        self.said.append((event["user"]["credential_uid"], event["unmapped"]["replaced"]))


async def test_a_replaced_key_is_told_once_the_journal_takes_it(monkeypatch, caplog):
    monkeypatch.setattr(signer_watch, "_LOOK_EVERY_SECONDS", 0.001)
    answers = [StorageCredentials("OLD", "s"), OSError("gone"), *[StorageCredentials("NEW", "MADE-UP-SECRET")] * 20]
    journal, asked_often = Journal(), threading.Event()

    def credentials():
        found = answers.pop(0) if answers else asked_often.set() or StorageCredentials("NEW", "MADE-UP-SECRET")
        if isinstance(found, OSError):
            raise found
        return found

    watch = SignerWatch(credentials, journal, lambda: datetime(2026, 1, 1, tzinfo=UTC))
    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(watch.run)
            await to_thread.run_sync(asked_often.wait, 5)
            group.cancel_scope.cancel()
    assert journal.said == [("NEW", "OLD")]
    assert "could not be looked at" in caplog.text
    assert "MADE-UP-SECRET" not in caplog.text
