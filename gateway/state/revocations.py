"""What was revoked, in SQL, and in the memory of each instance: `ports.Revocations`.

Memory is read again when it is asked and older than a second. So an idle gateway asks nothing, and no instance takes
for good what another revoked five seconds ago: when the database does not answer for so long, we refuse. Where the
instances can tell each other (`announcements`), memory is read again as soon as one of them revokes something.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gateway.clock import Clock
from gateway.errors import Revoked, StateUnavailable
from gateway.model import Mark, Revocation
from gateway.state.announcements import Announcements
from gateway.state.engine import Database
from gateway.state.models import RevocationRow
from gateway.state.sweep import sweep

REFRESH_AFTER = timedelta(seconds=1)
REFUSE_AFTER = timedelta(seconds=5)
"""The longest that an instance may not know of a revocation."""

_TOPIC = "revoked"

Latest = Mapping[Mark, datetime]
"""For each revoked mark, the last moment of issue that is revoked."""


class SqlRevocations:
    """Revocations of one database.

    Args:
        database: Where they are.
        clock: Tells which of them are over.
        monotonic: Seconds that only grow, to age what is in memory: the system's clock may be set back.
        announcements: How instances tell each other, if they can.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        announcements: Announcements | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._monotonic = monotonic
        self._latest: Latest = {}
        self._state: tuple[int, int] | None = None
        self._read_at = float("-inf")
        self._refreshing: asyncio.Task[None] | None = None
        self._is_outdated = False
        self._announcements = announcements
        if announcements is not None:
            announcements.listen(_TOPIC, lambda _: self.look_again(), missed=self.look_again)

    async def check(self, marks: Sequence[Mark], *, issued_at: datetime) -> None:
        """Return if something issued then, hanging on these marks, is still good.

        Raises:
            Revoked: it is not.
            StateUnavailable: the database has not answered for five seconds.
        """
        if self._is_outdated or self._monotonic() - self._read_at >= REFRESH_AFTER.total_seconds():
            await self._refresh()
        latest = self._latest
        if not latest:
            return
        for mark in marks:
            revoked = latest.get(mark)
            if revoked is not None and issued_at <= revoked:
                raise Revoked(f"This {mark.kind} was revoked.", hint="Ask the data's steward why.")

    async def add(self, revocation: Revocation) -> None:
        """Revoke; durable when it returns, and known here at once."""

        def work(session: Session) -> None:
            sweep(session, RevocationRow, RevocationRow.until <= self._clock())
            session.add(RevocationRow.of(revocation))

        await self._database.write(work)
        self._read_at, self._is_outdated = float("-inf"), True
        if self._announcements is not None:
            self._announcements.tell(_TOPIC)

    def look_again(self) -> None:
        """Read again before the next answer: another instance has revoked something."""
        self._is_outdated = True

    async def _refresh(self) -> None:
        """Read again; of many who ask at once, one reads. While the database is away, what we know may grow old."""
        began_before = self._refreshing is not None
        if self._refreshing is None:
            self._refreshing = asyncio.create_task(self._read())
            self._refreshing.add_done_callback(self._forget)
        try:
            # Shielded: a caller who goes away must not take it from those who wait with them.
            await asyncio.shield(self._refreshing)
            if began_before and self._is_outdated:  # it may have been read just before the revocation came
                await self._refresh()
        except StateUnavailable:
            if self._monotonic() - self._read_at >= REFUSE_AFTER.total_seconds():
                raise

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._refreshing = None
        if not task.cancelled():
            task.exception()  # it was told to those who waited, if any still did

    async def _read(self) -> None:
        began, self._is_outdated = self._monotonic(), False
        try:
            state, latest = await self._database.read(self._load)
        except StateUnavailable:
            self._is_outdated = True
            raise
        if latest is not None:
            self._state, self._latest = state, latest
        # What we know is as of when we asked, not of when the answer came.
        self._read_at = began

    def _load(self, session: Session) -> tuple[tuple[int, int], Latest | None]:
        """Return what tells one state from another, and all that is in force unless it is as it was.

        The newest id would not do: on PostgreSQL a lower one may be committed later. Number and sum of the ids change
        with each that comes, also where it comes as an old one goes, since ids are never given twice.
        """
        count, total = session.execute(select(func.count(), func.coalesce(func.sum(RevocationRow.id), 0))).one()
        state = (int(count), int(total))
        if state == self._state:
            return state, None
        rows = session.scalars(select(RevocationRow).where(RevocationRow.until > self._clock()))
        return state, _latest(row.revocation() for row in rows)


def _latest(revocations: Iterable[Revocation]) -> Latest:
    latest: dict[Mark, datetime] = {}
    for one in revocations:
        mark = Mark(one.kind, one.value)
        latest[mark] = max(latest.get(mark, one.issued_before), one.issued_before)
    return latest
