"""What each instance says that it holds, in SQL: `ports.HoldingStore`. Versions and fingerprints, never a secret."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select

from gateway.clock import Clock
from gateway.model import Holding
from gateway.ports import Report
from gateway.state.engine import Database
from gateway.state.models import HoldingRow


class SqlHoldings:
    """A row for each instance and secret."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def report(self, instance: str, holdings: Sequence[Holding]) -> None:
        """Say what the instance holds at this moment, in place of what it said before."""
        rows = [HoldingRow.of(instance, holding, self._clock()) for holding in holdings]

        await self._database.write(lambda session: [session.merge(row) for row in rows])

    async def withdraw(self, instance: str) -> None:
        """Forget the instance, which serves no more."""
        await self._database.write(lambda session: session.execute(delete(HoldingRow).filter_by(instance=instance)))

    async def reports(self, *, since: datetime) -> Sequence[Report]:
        """Return what instances said that were heard of since."""
        query = select(HoldingRow).where(HoldingRow.seen_at >= since).order_by(HoldingRow.instance, HoldingRow.name)
        rows = await self._database.read(lambda session: session.scalars(query).all())
        return [row.value() for row in rows]
