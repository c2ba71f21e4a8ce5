"""Re-encryptions in SQL, and where the objects are that they have moved: `ports.ReencryptionStore`."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from gateway.model import MovedObject, Reencryption, ReencryptionState
from gateway.state.engine import Database
from gateway.state.key_models import MovedObjectRow, OldCopyRow, ReencryptionRow
from gateway.state.models import PushRow

_UNDER_WAY = (ReencryptionState.RUNNING.value, ReencryptionState.SETTLING.value)
_AT_ONCE = 1000
"""Ids in one statement; databases bound its parameters."""


class SqlReencryptions:
    """Re-encryptions of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def start(self, wanted: Reencryption) -> bool:
        """Start it in place of one that has ended; tell whether it was so."""

        def work(session: Session) -> bool:
            row = session.get(ReencryptionRow, wanted.resource_id, with_for_update=True)
            if row is not None and row.state in _UNDER_WAY:
                return False
            session.merge(ReencryptionRow.of(wanted)).held_until = None
            return True

        return await self._database.write(work)

    async def find(self, resource_id: str) -> Reencryption | None:
        """Return the resource's re-encryption, if there is one."""
        row = await self._database.read(lambda session: session.get(ReencryptionRow, resource_id))
        return row.value() if row else None

    async def stop(self, resource_id: str) -> bool:
        """Stop it, if objects are still moved; tell whether it was so."""
        stop = (
            update(ReencryptionRow)
            .filter_by(resource_id=resource_id, state=ReencryptionState.RUNNING.value)
            .values(state=ReencryptionState.STOPPED.value, holder="")
            .returning(ReencryptionRow.resource_id)
        )
        return await self._database.write(lambda session: session.scalar(stop) is not None)

    async def take(self, holder: str, *, now: datetime, until: datetime) -> Reencryption | None:
        """Return one that has work and that nobody holds, held for `holder` until then."""
        free = or_(ReencryptionRow.held_until.is_(None), ReencryptionRow.held_until <= now)
        query = (
            select(ReencryptionRow)
            .where(ReencryptionRow.state.in_(_UNDER_WAY), free)
            .order_by(ReencryptionRow.held_until, ReencryptionRow.requested_at)
            .limit(1)
        )
        # Asked every second by every instance: only what finds something takes the place of a writer.
        if await self._database.read(lambda session: session.scalar(query)) is None:
            return None

        def work(session: Session) -> Reencryption | None:
            row = session.scalar(query.with_for_update(skip_locked=True))
            if row is None:
                return None
            row.holder, row.held_until = holder, until
            return row.value()

        return await self._database.write(work)

    async def hold(self, resource_id: str, holder: str, *, until: datetime) -> bool:
        """Hold it on; False if it was stopped, or is somebody else's by now."""
        hold = (
            update(ReencryptionRow)
            .where(
                ReencryptionRow.resource_id == resource_id,
                ReencryptionRow.holder == holder,
                ReencryptionRow.state.in_(_UNDER_WAY),
            )
            .values(held_until=until)
            .returning(ReencryptionRow.resource_id)
        )
        return await self._database.write(lambda session: session.scalar(hold) is not None)

    async def update(self, job: Reencryption, holder: str, *, until: datetime) -> None:
        """Store its counts and its state; nothing happens if it is not `holder`'s any more."""

        def work(session: Session) -> None:
            row = session.get(ReencryptionRow, job.resource_id, with_for_update=True)
            if row is None or row.holder != holder or row.state not in _UNDER_WAY:
                return
            changed = session.merge(ReencryptionRow.of(job))
            changed.holder, changed.held_until = holder, until

        await self._database.write(work)

    async def current(self, resource_id: str, object_ids: Collection[str]) -> Mapping[str, MovedObject]:
        """Return those of these objects, by their ids in manifests, that have moved."""
        wanted = list(object_ids)

        def work(session: Session) -> list[MovedObject]:
            return [
                row.value()
                for at in range(0, len(wanted), _AT_ONCE)
                for row in session.scalars(
                    select(MovedObjectRow).where(
                        MovedObjectRow.resource_id == resource_id,
                        MovedObjectRow.object_id.in_(wanted[at : at + _AT_ONCE]),
                    )
                )
            ]

        return {found.object_id: found for found in await self._database.read(work)}

    async def add_moved(self, resource_id: str, moved: Sequence[tuple[MovedObject, str]]) -> None:
        """Say where objects are now, each with the id of the copy that is no longer the one; all in one step."""

        def work(session: Session) -> None:
            for found, before in moved:
                session.merge(
                    MovedObjectRow(
                        resource_id=resource_id,
                        object_id=found.object_id,
                        current_id=found.current_id,
                        epoch=found.epoch,
                        key_check=found.key_check,
                    )
                )
                session.merge(OldCopyRow(resource_id=resource_id, object_id=before))

        await self._database.write(work)

    async def old_copies(self, resource_id: str, *, limit: int) -> Sequence[str]:
        """Return the ids of copies that are no longer the ones, and are not dropped."""
        query = select(OldCopyRow.object_id).filter_by(resource_id=resource_id).order_by(OldCopyRow.object_id)
        return await self._database.read(lambda session: session.scalars(query.limit(limit)).all())

    async def open_pushes(self, resource_id: str, *, now: datetime) -> Mapping[int, int]:
        """Return how many pushes may still bring objects of each epoch."""
        query = (
            select(PushRow.epoch, func.count().label("pushes"))
            .where(
                PushRow.resource_id == resource_id,
                PushRow.committed_as.is_(None),
                PushRow.closed.is_(False),
                PushRow.expires_at > now,
            )
            .group_by(PushRow.epoch)
        )
        rows = await self._database.read(lambda session: session.execute(query).all())
        return {row.epoch: row.pushes for row in rows}

    async def drop_copies(self, resource_id: str, object_ids: Collection[str]) -> None:
        """Say that these copies are gone."""
        gone = delete(OldCopyRow).where(
            OldCopyRow.resource_id == resource_id, OldCopyRow.object_id.in_(list(object_ids))
        )
        await self._database.write(lambda session: session.execute(gone))


class RecentMoves(SqlReencryptions):
    """Re-encryptions with a memory of a second, of the resources that had one: most had none, and cost no look-up.

    What another instance has moved is followed after a second: until then its old copy is as good, and stays.

    Args:
        database: Where the rows are.
        monotonic: Seconds that only grow, to age what is in memory: the system's clock may be set back.
    """

    KEPT_FOR = timedelta(seconds=1)

    def __init__(self, database: Database, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__(database)
        self._monotonic = monotonic
        self._touched: frozenset[str] = frozenset()
        self._read_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    async def current(self, resource_id: str, object_ids: Collection[str]) -> Mapping[str, MovedObject]:
        """Return those of these objects, by their ids in manifests, that have moved."""
        if self._monotonic() - self._read_at >= self.KEPT_FOR.total_seconds():
            await self._refresh()
        return await super().current(resource_id, object_ids) if resource_id in self._touched else {}

    async def start(self, wanted: Reencryption) -> bool:
        """Start it in place of one that has ended; tell whether it was so. It is known here at once."""
        started = await super().start(wanted)
        self._read_at = float("-inf")
        return started

    async def _refresh(self) -> None:
        """Read again; of many who ask at once, one reads."""
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
            self._reading.add_done_callback(self._forget)
        # Shielded: a caller who goes away must not take it from those who wait with them.
        await asyncio.shield(self._reading)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._reading = None
        if not task.cancelled():
            task.exception()  # it was told to those who waited, if any still did

    async def _read(self) -> None:
        began = self._monotonic()
        query = select(ReencryptionRow.resource_id)
        self._touched = frozenset(await self._database.read(lambda session: session.scalars(query).all()))
        self._read_at = began
