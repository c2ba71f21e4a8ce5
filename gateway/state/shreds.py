"""Shreddings in SQL: `ports.ShredStore`. One row a resource, which only moves forward once its time has come."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import and_, delete, or_, select, update
from sqlalchemy.orm import Session

from gateway.model import Shred, ShredState, Signatory
from gateway.state.engine import Database
from gateway.state.key_models import ShredRow, to_json
from gateway.state.models import ResourceRow

_CAN_BE_UNDONE = (ShredState.REQUESTED.value, ShredState.APPROVED.value)


class SqlShreds:
    """Shreddings of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, shred: Shred) -> Shred:
        """Add the shredding, or return the one that there is."""
        same = select(ShredRow).filter_by(resource_id=shred.resource_id)
        row = await self._database.find_or_add(same, ShredRow.of(shred))
        return row.value()

    async def find(self, resource_id: str) -> Shred | None:
        """Return the resource's shredding, if there is one."""
        row = await self._database.read(lambda session: session.get(ShredRow, resource_id))
        return row.value() if row else None

    async def approve(self, resource_id: str, *, by: Signatory, due_at: datetime) -> bool:
        """Approve it, if it waits for that; tell whether it did."""
        change = (
            update(ShredRow)
            .filter_by(resource_id=resource_id, state=ShredState.REQUESTED.value)
            .values(state=ShredState.APPROVED.value, approved_by=to_json(by), due_at=due_at)
            .returning(ShredRow.resource_id)
        )
        return await self._database.write(lambda session: session.scalar(change) is not None)

    async def withdraw(self, resource_id: str) -> bool:
        """Forget it, if it has not begun; tell whether that was so."""
        gone = (
            delete(ShredRow)
            .where(ShredRow.resource_id == resource_id, ShredRow.state.in_(_CAN_BE_UNDONE))
            .returning(ShredRow.resource_id)
        )
        return await self._database.write(lambda session: session.scalar(gone) is not None)

    async def take_due(self, *, now: datetime, again_after: timedelta) -> Shred | None:
        """Begin one whose time has come, marking its resource as shredded in the same step, and return it.

        One that was begun so long ago, and did not end, is begun again.
        """
        due = or_(
            and_(ShredRow.state == ShredState.APPROVED.value, ShredRow.due_at <= now),
            and_(ShredRow.state == ShredState.DESTROYING.value, ShredRow.begun_at <= now - again_after),
        )
        query = select(ShredRow).where(due).order_by(ShredRow.due_at).limit(1)
        # Asked every second by every instance: only what finds something takes the place of a writer.
        if await self._database.read(lambda session: session.scalar(query)) is None:
            return None

        def work(session: Session) -> Shred | None:
            row = session.scalar(query.with_for_update(skip_locked=True))
            if row is None:
                return None
            row.state, row.begun_at = ShredState.DESTROYING.value, now
            resource = session.get_one(ResourceRow, row.resource_id, with_for_update=True)
            resource.shredded_at = resource.shredded_at or now
            return row.value()

        return await self._database.write(work)

    async def finish(self, resource_id: str, *, at: datetime, proof: Mapping[str, str]) -> None:
        """Say that it is done."""
        done = (
            update(ShredRow)
            .filter_by(resource_id=resource_id)
            .values(state=ShredState.DONE.value, done_at=at, proof=dict(proof))
        )
        await self._database.write(lambda session: session.execute(done))
