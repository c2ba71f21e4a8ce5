"""Brings the database's tables to this gateway's version at start, one instance at a time.

Neighbouring versions run side by side: a migration first only adds what the new gateways need (expand), and what the
old ones needed goes a version later (contract). Each says the oldest revision whose gateways work on the tables that it
leaves (`oldest_gateway`), which is kept beside them: an older gateway cannot know of a migration that came after it.
"""

from datetime import timedelta
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, String, delete, insert, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

import gateway.state.key_models  # noqa: F401 -- its tables are Base's as well
from gateway.errors import StateUnavailable
from gateway.state.engine import WAIT_MS, Database
from gateway.state.models import Base

_LOCK = 0x6761746577617900
"""Our number among PostgreSQL's advisory locks: the letters of 'gateway'."""


_PATIENCE = timedelta(minutes=10)
"""How long a migration may take, and wait for another instance's."""


class SchemaSupportRow(Base):
    """One row: which gateways the tables still serve. It is the migrations' own, as `alembic_version` is."""

    __tablename__ = "schema_support"

    oldest: Mapped[str] = mapped_column(String(32), primary_key=True)


async def migrate(database: Database) -> None:
    """Make the tables, or change older ones, in one transaction that only one instance is in.

    Tables of a newer gateway stay as they are, if they serve ours as well.

    Raises:
        StateUnavailable: the database is away, or its tables serve newer gateways alone.
    """
    await database.write(lambda session: _upgrade(session.connection()), patience=_PATIENCE)


def check(session: Session) -> None:
    """Raise `StateUnavailable` unless the tables serve this gateway."""
    found = _found(session.connection())
    if found == newest_revision():
        return
    if found is None or found in _revisions():
        raise StateUnavailable(
            f"The database's schema is {found or 'not there'}, and this gateway's is {newest_revision()}.",
            hint="Restart the gateway: it brings the schema up to date when it starts.",
        )
    _require_support(session.connection(), found)


@cache
def newest_revision() -> str:
    """Return the name of the newest migration."""
    return max(_revisions())


@cache
def _revisions() -> dict[str, str]:
    """Return for each of our migrations the oldest revision whose gateways work on the tables that it leaves."""
    scripts = ScriptDirectory.from_config(_config()).walk_revisions()
    return {script.revision: script.module.oldest_gateway for script in scripts}


def _upgrade(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        # Two instances that start together queue here; the lock goes with the transaction. SQLite has one writer.
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        # A table that is to be changed is waited for no longer: all who come meanwhile wait behind us.
        connection.execute(text(f"SET LOCAL lock_timeout = {WAIT_MS}"))
    found = _found(connection)
    if found is not None and found not in _revisions():
        _require_support(connection, found)
        return
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    Base.metadata.tables[SchemaSupportRow.__tablename__].create(connection, checkfirst=True)
    connection.execute(delete(SchemaSupportRow))
    connection.execute(insert(SchemaSupportRow).values(oldest=max(_revisions().values())))


def _found(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _require_support(connection: Connection, found: str) -> None:
    oldest = connection.scalar(select(SchemaSupportRow.oldest))
    if oldest is None or oldest > newest_revision():
        raise StateUnavailable(
            f"The database's schema is {found}, for gateways of {oldest} and later; ours is {newest_revision()}.",
            hint="A newer gateway changed it. Install that version, or restore the database from before.",
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config
