"""Brings the database's tables to this gateway's version at start, one instance at a time; refuses newer ones."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from gateway.errors import StateUnavailable
from gateway.state.engine import Database

_LOCK = 0x6761746577617900
"""Our number among PostgreSQL's advisory locks: the letters of 'gateway'."""


async def migrate(database: Database) -> None:
    """Make the tables, or change older ones, in one transaction that only one instance is in.

    Raises:
        StateUnavailable: the database is away, or belongs to a newer gateway.
    """
    try:
        await database.write(lambda session: _upgrade(session.connection()))
    except CommandError as error:
        raise StateUnavailable(
            f"The database's schema is not one of this gateway's: {error}.",
            hint="A newer gateway changed it. Install that version, or restore the database from before.",
        ) from error


def check(session: Session) -> None:
    """Raise `StateUnavailable` unless the tables are of this gateway's version."""
    found = MigrationContext.configure(session.connection()).get_current_revision()
    if found != newest_revision():
        raise StateUnavailable(
            f"The database's schema is {found or 'not there'}, and this gateway's is {newest_revision()}.",
            hint="Restart the gateway: it brings the schema up to date when it starts.",
        )


@cache
def newest_revision() -> str | None:
    """Return the name of the newest migration."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _upgrade(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        # Two instances that start together queue here; the lock goes with the transaction. SQLite has one writer.
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config
