"""Runs transactions on the database in threads, and says it plainly when the database is away, locked or full.

SQLite takes one writer at a time: `write` asks for that place at its start, so it never fails half-way for it.
PostgreSQL locks rows: what a transaction decides on, it reads `with_for_update`.
"""

import sqlite3
import time
from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread
from sqlalchemy import Connection, Engine, Select, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from gateway.errors import Conflict, InvalidConfiguration, StateUnavailable

THREADS = 8
"""Transactions that run at once, each on its own connection."""
WAIT_MS = 5000
"""How long a transaction waits for another's lock."""

_PAUSE_SECONDS = 0.05

_T = TypeVar("_T")


class Database:
    """One database, named as SQLAlchemy does: `sqlite:////var/lib/gateway/gateway.db`, `postgresql+psycopg://…`.

    Nothing connects before the first transaction.

    Raises:
        InvalidConfiguration: the URL names no database that we know how to use.
    """

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        self._writing = self.engine.execution_options(gateway_write=True)
        self._limiter = anyio.CapacityLimiter(THREADS)

    async def read(self, work: Callable[[Session], _T]) -> _T:
        """Return what `work` returns, which sees one state of the database and changes nothing.

        Raises:
            StateUnavailable: the database is away, locked, broken or not ours.
        """
        return await self._run(self.engine, work)

    async def write(self, work: Callable[[Session], _T]) -> _T:
        """Return what `work` returns once all that it did is on disk; if it raises, nothing was done.

        Raises:
            Conflict: it broke a constraint.
            StateUnavailable: the database is away, locked, full, broken or not ours.
        """
        return await self._run(self._writing, work)

    async def find_or_add(self, query: Select[_T], row: _T) -> _T:
        """Return the row that the query finds, or add `row` and return that.

        Raises:
            Conflict: the row has no place, and the query does not find what takes it.
            StateUnavailable: as for `write`.
        """

        def work(session: Session) -> _T:
            found = session.scalar(query)
            if found is None:
                session.add(row)
            return row if found is None else found

        try:
            return await self.write(work)
        except Conflict:
            # On PostgreSQL another instance may add it between our look and our insert; then it is there to be found.
            return await self.write(work)

    async def close(self) -> None:
        """Close all connections."""
        await anyio.to_thread.run_sync(self.engine.dispose, limiter=self._limiter)

    async def _run(self, engine: Engine, work: Callable[[Session], _T]) -> _T:
        return await anyio.to_thread.run_sync(_transact, engine, work, limiter=self._limiter)


def _transact(engine: Engine, work: Callable[[Session], _T]) -> _T:
    try:
        with Session(engine, expire_on_commit=False) as session, session.begin():
            return work(session)
    except IntegrityError as error:
        raise Conflict("The change contradicts what the database holds; nothing was changed.") from error
    except (DBAPIError, PoolTimeout) as error:
        raise _unavailable(error) from error


def _unavailable(error: DBAPIError | PoolTimeout) -> StateUnavailable:
    cause = getattr(error, "orig", None) or error
    # SQLite's name of the error, or PostgreSQL's SQLSTATE (Appendix A: 53100 is disk_full).
    code = getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None)
    if code in {"SQLITE_FULL", "53100"}:
        return StateUnavailable("The database's disk is full.", hint="Free some space; nothing was changed.")
    # The cause's own first line: SQLAlchemy's would add the statement.
    said = str(cause).strip().partition("\n")[0]
    return StateUnavailable(f"The database cannot be used: {said}.", hint="Try again; 'gateway doctor' looks closer.")


def _engine(url: str) -> Engine:
    try:
        dialect = make_url(url).get_backend_name()
        options = {"sqlite": {"timeout": 0}, "postgresql": _postgresql_options()}[dialect]
        # Parameters stay out of errors and logs. A pooled connection is tried before use, as the server may be back.
        engine = create_engine(
            url,
            hide_parameters=True,
            pool_pre_ping=True,
            pool_size=THREADS,
            max_overflow=0,
            connect_args=options,
        )
    except (ArgumentError, KeyError, ImportError) as error:
        raise InvalidConfiguration(
            "The setting state.url names no database that this gateway can use.",
            hint="Write sqlite:///PATH, or postgresql+psycopg://HOST/NAME with psycopg installed.",
        ) from error
    if dialect == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _postgresql_options() -> dict[str, object]:
    return {"connect_timeout": WAIT_MS // 1000, "options": f"-c lock_timeout={WAIT_MS}"}


def _set_up_sqlite(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    # The driver would begin transactions when it thinks fit; `_begin_sqlite` does it where we say.
    connection.isolation_level = None
    _use_wal(connection)
    connection.execute(f"PRAGMA busy_timeout = {WAIT_MS}")
    connection.execute("PRAGMA synchronous = FULL")  # a commit is on disk when it returns, also if power fails
    connection.execute("PRAGMA foreign_keys = ON")  # SQLite checks none unless asked


def _use_wal(connection: sqlite3.Connection) -> None:
    """Let readers and the writer not wait for each other. The file remembers this mode from the first time on."""
    deadline = time.monotonic() + WAIT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            # Two that switch at once would wait for each other, so SQLite refuses one of them, who then comes again.
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("gateway_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
