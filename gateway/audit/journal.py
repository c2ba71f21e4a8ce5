"""The journal of one instance: every event is on disk before its append returns, many to one sync (group commit)."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from anyio import to_thread

from gateway.audit.canonical import encode_event
from gateway.audit.event import journal_started, journal_stopped, uid_of
from gateway.audit.ocsf import milliseconds
from gateway.audit.record import EventJson, Head, genesis
from gateway.audit.segments import read_after
from gateway.audit.writer import SEGMENT_BYTES, JournalWriter, Sync, data_sync
from gateway.clock import Clock
from gateway.errors import JournalUnavailable

T = TypeVar("T")

_Waiting = tuple[list[EventJson], asyncio.Future[None]]
"""Events of one append, and what its caller awaits."""


class Journal:
    """The durable local order of events (`gateway.ports.EventJournal`).

    While one group of events is being synced, the next one gathers, so each waits for two syncs at most, and
    nothing is held that nobody waits for. Used within one event loop, between `open` and `close`.

    Args:
        directory: Where journals are kept, each in a folder named after its instance.
        instance: Whose journal it is.
        clock: The time.
        segment_bytes: The size from which on a segment is followed by a new one.
        sync: How bytes are brought to the disk.
    """

    def __init__(
        self,
        directory: Path,
        *,
        instance: str,
        clock: Clock,
        segment_bytes: int = SEGMENT_BYTES,
        sync: Sync = data_sync,
    ) -> None:
        self.instance = instance
        self.folder = directory / instance
        self.head = Head(0, b"")
        """The last durable place; 0 before the first event."""
        self._clock = clock
        self._segment_bytes = segment_bytes
        self._sync = sync
        self._writer: JournalWriter | None = None
        self._unsaid: list[EventJson] = []
        """The event of our own start, until it is on disk."""
        self._waiting: list[_Waiting] = []
        self._commits: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Take the journal and go on where it ended; what a kill left half written is cut, and recorded.

        Raises:
            JournalUnavailable: another process writes it, or its folder cannot be used.
            JournalBroken: it was changed since it was written.
        """
        now = self._clock()
        origin = genesis(self.instance, milliseconds(now))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="audit-journal")
        self._writer = writer = await self._in_thread(
            partial(JournalWriter, self.folder, genesis=origin, segment_bytes=self._segment_bytes, sync=self._sync)
        )
        self.head = writer.head
        torn = writer.torn
        started = journal_started(
            self.instance, at=now, torn_bytes=torn.size if torn else 0, torn_sha256=torn.sha256 if torn else ""
        )
        self._unsaid = [encode_event(started)]
        with suppress(JournalUnavailable):  # a full disk at start: `check` says so, and each append tries again
            await self.append_all([])

    async def close(self) -> None:
        """Write what waits and the event of our stop, and let go of the journal."""
        if self._writer is None:
            return
        with suppress(JournalUnavailable):  # whoever waited was told; the missing stop shows in the journal
            await self.append(journal_stopped(self.instance, at=self._clock()))
        writer, self._writer = self._writer, None
        await self._in_thread(writer.close)
        self._thread.shutdown()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def append(self, event: Mapping[str, object]) -> str:
        """Return the event's uid once it is on disk.

        Raises:
            JournalUnavailable: it is not in the journal. A later call may work again.
            ValueError: it has no uid.
            TypeError: it is not made of what JSON can say.
        """
        return (await self.append_all([event]))[0]

    async def append_all(self, events: Sequence[Mapping[str, object]]) -> list[str]:
        """Return the events' uids once all of them are on disk, next to each other and in this order.

        Raises:
            JournalUnavailable: none of them is in the journal. A later call may work again.
        """
        self._require_writer()
        uids = [uid_of(event) for event in events]
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(([encode_event(event) for event in events], written))
        if self._commits is None:
            self._commits = asyncio.create_task(self._commit_waiting())
        await written
        return uids

    async def lines(self, *, after: int, limit: int) -> list[bytes]:
        """Return up to `limit` durable lines of the records numbered above `after`, each with its newline.

        A negative `after` counts from the end: -10 are the last ten.

        Raises:
            JournalUnavailable: they cannot be read.
        """
        self._require_writer()
        newest = self.head.seq
        after = after if after >= 0 else max(0, newest + after)
        count = min(limit, newest - after)
        if count <= 0:
            return []
        try:
            return await to_thread.run_sync(read_after, self.folder, after, count)
        except OSError as error:
            raise JournalUnavailable(f"The audit journal {self.folder} cannot be read: {error.strerror}.") from error

    async def check(self) -> None:
        """Raise `JournalUnavailable` unless an event could be written now."""
        await self._in_thread(self._require_writer().probe)

    async def _commit_waiting(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting, []
                events = [*self._unsaid, *(event for events, _ in group for event in events)]
                _tell([written for _, written in group], await self._write(events))
        finally:
            self._commits = None

    async def _write(self, events: list[EventJson]) -> JournalUnavailable | None:
        try:
            writer = self._require_writer()
            await self._in_thread(partial(writer.append, events))
            self.head = writer.head
        except JournalUnavailable as error:
            return error
        except Exception as error:  # noqa: BLE001  # whatever it is, those who wait must hear of it
            return JournalUnavailable(f"The audit journal {self.folder} failed: {type(error).__name__}.")
        self._unsaid = []
        return None

    async def _in_thread(self, call: Callable[[], T]) -> T:
        """Run the call in the one thread that touches the writer."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _require_writer(self) -> JournalWriter:
        if self._writer is None:
            raise JournalUnavailable(f"The audit journal {self.folder} is not open.")
        return self._writer


def _tell(waiting: Sequence[asyncio.Future[None]], failure: JournalUnavailable | None) -> None:
    """Let everyone know whose events were in one write."""
    for written in waiting:
        if written.done():  # its caller has gone away
            continue
        if failure:
            written.set_exception(JournalUnavailable(failure.message, hint=failure.hint))
        else:
            written.set_result(None)
