"""Remembers proofs of possession in SQL, so that none is good twice on any instance: `ports.UsedProofs`.

Every call with a bound token waits for this, so all that come while one transaction runs share the next one.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from gateway.clock import Clock
from gateway.state.engine import Database
from gateway.state.models import UsedProofRow
from gateway.state.sweep import sweep

_INSERTS: Mapping[str, Callable[[type[UsedProofRow]], sqlite.Insert | postgresql.Insert]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}
_MAX_ROWS = 500
"""Of one statement: databases bound its parameters."""


class SqlUsedProofs:
    """One row a proof, for as long as it could be shown again."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._waiting: dict[str, tuple[datetime, asyncio.Future[bool]]] = {}
        self._writer: asyncio.Task[None] | None = None

    async def take(self, proof: str, *, until: datetime) -> bool:
        """Remember the proof, and tell whether it is new."""
        if proof in self._waiting:
            return False  # somebody shows it at this very moment
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[proof] = (until, answer)
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        # A caller who goes away leaves its proof used.
        return await asyncio.shield(answer)

    async def _write(self) -> None:
        try:
            while self._waiting:
                batch = dict(list(self._waiting.items())[:_MAX_ROWS])
                for proof in batch:
                    del self._waiting[proof]
                await self._take_all(batch)
        finally:
            self._writer = None

    async def _take_all(self, batch: Mapping[str, tuple[datetime, asyncio.Future[bool]]]) -> None:
        rows = {proof: until for proof, (until, _) in batch.items()}
        try:
            new = await self._database.write(partial(self._insert, rows))
        except Exception as error:  # noqa: BLE001  whatever it is, those who wait are told, and decide
            for _, answer in batch.values():
                answer.set_exception(error)
                answer.exception()  # it is told to those who wait, if any still do
            return
        for proof, (_, answer) in batch.items():
            answer.set_result(proof in new)

    def _insert(self, rows: Mapping[str, datetime], session: Session) -> frozenset[str]:
        """Return those that were not there yet; what another instance adds at the same time is there, for one of us."""
        sweep(session, UsedProofRow, UsedProofRow.until <= self._clock())
        insert = _INSERTS[session.get_bind().dialect.name](UsedProofRow)
        # In one order on all instances, so that two who add the same proofs wait for each other one way alone.
        values = [{"digest": proof, "until": until} for proof, until in sorted(rows.items())]
        added = insert.values(values).on_conflict_do_nothing().returning(UsedProofRow.digest)
        return frozenset(session.scalars(added))
