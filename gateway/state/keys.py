"""Wrapped data keys in SQL: `ports.WrappedKeyStore`. What is stored here opens nothing without Vault."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, select, update

from gateway.ports import WrappedKey
from gateway.state.engine import Database
from gateway.state.models import WrappedKeyRow


class SqlWrappedKeys:
    """One row a resource and epoch."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest(self, resource_id: str) -> WrappedKey | None:
        """Return the row of the highest epoch."""
        query = select(WrappedKeyRow).filter_by(resource_id=resource_id).order_by(WrappedKeyRow.epoch.desc()).limit(1)
        row = await self._database.read(lambda session: session.scalar(query))
        return row.value() if row else None

    async def find(self, resource_id: str, epoch: int) -> WrappedKey | None:
        """Return one row."""
        row = await self._database.read(lambda session: session.get(WrappedKeyRow, (resource_id, epoch)))
        return row.value() if row else None

    async def all(self, resource_id: str) -> Sequence[WrappedKey]:
        """Return every epoch's row, oldest first."""
        query = select(WrappedKeyRow).filter_by(resource_id=resource_id).order_by(WrappedKeyRow.epoch)
        rows = await self._database.read(lambda session: session.scalars(query).all())
        return [row.value() for row in rows]

    async def resource_ids(self) -> Sequence[str]:
        """Return all resources that have a data key, sorted; the link secret's stands among them."""
        query = select(WrappedKeyRow.resource_id).distinct().order_by(WrappedKeyRow.resource_id)
        return await self._database.read(lambda session: session.scalars(query).all())

    async def oldest(self) -> datetime | None:
        """Return when the oldest data key was made; None where there is none."""
        return await self._database.read(lambda session: session.scalar(select(func.min(WrappedKeyRow.created_at))))

    async def remove(self, resource_id: str, *, before: int) -> int:
        """Forget the epochs below `before`, for good; return how many there were."""
        old = delete(WrappedKeyRow).where(WrappedKeyRow.resource_id == resource_id, WrappedKeyRow.epoch < before)
        gone = old.returning(WrappedKeyRow.epoch)
        return await self._database.write(lambda session: len(session.scalars(gone).all()))

    async def add(self, key: WrappedKey) -> WrappedKey:
        """Add the row, or return the one that another instance added first."""
        same = select(WrappedKeyRow).filter_by(resource_id=key.resource_id, epoch=key.epoch)
        row = await self._database.find_or_add(same, WrappedKeyRow.of(key))
        return row.value()

    async def replace(self, key: WrappedKey, *, rewrapped: str) -> bool:
        """Swap the wrapped text if it is still `key.wrapped`; tell whether it was."""
        swap = (
            update(WrappedKeyRow)
            .filter_by(resource_id=key.resource_id, epoch=key.epoch, wrapped=key.wrapped)
            .values(wrapped=rewrapped)
            .returning(WrappedKeyRow.epoch)
        )
        return await self._database.write(lambda session: session.scalar(swap) is not None)

    async def destroy(self, resource_id: str) -> int:
        """Empty every row of the resource, for good, and return how many: an empty row keeps its place taken."""
        empty = (
            update(WrappedKeyRow).filter_by(resource_id=resource_id).values(wrapped="").returning(WrappedKeyRow.epoch)
        )
        return await self._database.write(lambda session: len(session.scalars(empty).all()))
