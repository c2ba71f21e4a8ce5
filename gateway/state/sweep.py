"""Deletes rows that are over, on the way of the next write, so that nothing has to come round for them."""

from sqlalchemy import ColumnElement, delete, inspect, select
from sqlalchemy.orm import Session

from gateway.state.models import Base


def sweep(session: Session, row: type[Base], over: ColumnElement[bool]) -> None:
    """Delete the rows that are over, less those that another instance is sweeping at this moment.

    Two who delete the same rows in another order would wait for each other, and PostgreSQL would undo one of them.
    """
    key = inspect(row).primary_key[0]
    free = select(key).where(over).with_for_update(skip_locked=True)
    session.execute(delete(row).where(key.in_(free)).execution_options(synchronize_session=False))
