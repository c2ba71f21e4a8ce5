"""Counts uses of links in SQL, so that all instances count together: `ports.LinkUses`."""

from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from gateway.clock import Clock
from gateway.errors import Conflict
from gateway.state.engine import Database
from gateway.state.models import LinkUseRow
from gateway.state.sweep import sweep


class SqlLinkUses:
    """One row a link that was used; a use is taken in one transaction, so that none is given twice."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def take(self, link_id: str, *, limit: int, expires_at: datetime) -> bool:
        """Take one use, and tell whether there was one left. The count is forgotten after `expires_at`."""

        def work(session: Session) -> bool:
            sweep(session, LinkUseRow, LinkUseRow.expires_at <= self._clock())
            another = (
                update(LinkUseRow)
                .where(LinkUseRow.link_id == link_id, LinkUseRow.uses < limit)
                .values(uses=LinkUseRow.uses + 1)
                .returning(LinkUseRow.uses)
            )
            if session.scalar(another) is not None:
                return True
            if session.get(LinkUseRow, link_id) is not None:
                return False
            session.add(LinkUseRow(link_id=link_id, uses=1, expires_at=expires_at))
            return True

        try:
            return await self._database.write(work)
        except Conflict:
            # On PostgreSQL another instance may add the row between our look and our insert; then it is there to count.
            return await self._database.write(work)
