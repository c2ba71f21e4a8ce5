"""Leases in SQL: `ports.LeaseStore`."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.clock import Clock
from gateway.model import Lease
from gateway.state.engine import Database
from gateway.state.models import LeaseRow
from gateway.state.sweep import sweep


class SqlLeases:
    """One row a lease. Those that have ended go when the next one comes: the audit journal remembers them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def add(self, lease: Lease) -> None:
        """Add the lease."""

        def work(session: Session) -> None:
            sweep(session, LeaseRow, LeaseRow.expires_at <= self._clock())
            session.add(LeaseRow.of(lease))

        await self._database.write(work)

    async def find(self, lease_id: str) -> Lease | None:
        """Return the lease, also one that has just ended."""
        row = await self._database.read(lambda session: session.get(LeaseRow, lease_id))
        return row.value() if row else None

    async def in_force(self, *, after: str, limit: int) -> Sequence[Lease]:
        """Return leases that have not expired, in the order of their ids, after `after`."""
        query = (
            select(LeaseRow)
            .where(LeaseRow.expires_at > self._clock(), LeaseRow.id > after)
            .order_by(LeaseRow.id)
            .limit(limit)
        )
        rows = await self._database.read(lambda session: session.scalars(query).all())
        return [row.value() for row in rows]
