"""Remembers proofs of possession in SQL, so that none is good twice on any instance: `ports.UsedProofs`."""

from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.orm import Session

from gateway.clock import Clock
from gateway.errors import Conflict
from gateway.state.engine import Database
from gateway.state.models import UsedProofRow


class SqlUsedProofs:
    """One row a proof, for as long as it could be shown again."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def take(self, proof: str, *, until: datetime) -> bool:
        """Remember the proof, and tell whether it is new."""

        def work(session: Session) -> None:
            session.execute(delete(UsedProofRow).where(UsedProofRow.until <= self._clock()))
            session.add(UsedProofRow(digest=proof, until=until))

        try:
            await self._database.write(work)
        except Conflict:
            return False  # the primary key: it is there already
        return True
