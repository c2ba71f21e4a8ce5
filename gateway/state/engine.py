"""Runs transactions on the database in threads, and says it plainly when the database is away, locked or full.

SQLite takes one writer at a time: `write` asks for that place at its start, so it never fails half-way for it.
PostgreSQL locks rows: what a transaction decides on, it reads `with_for_update`.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Self, TypeVar

import anyio
import anyio.to_thread
from sqlalchemy import URL, Connection, Engine, Select, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from gateway.errors import Conflict, InvalidConfiguration, StateUnavailable
from gateway.settings import StateSettings
from gateway.state import postgresql

THREADS = 8
"""Transactions that run at once, each on its own connection, unless told otherwise."""
WAIT_MS = 5000
"""How long a transaction waits for another's lock, unless told otherwise."""

_ATTEMPTS = 3
_PAUSE_SECONDS = 0.05
_TRY_AGAIN = frozenset({"40001", "40P01"})
"""PostgreSQL undid the transaction for another's sake (Appendix A: serialization_failure, deadlock_detected)."""

_T = TypeVar("_T")


class Database:
    """One database, named as SQLAlchemy does: `sqlite:////var/lib/gateway/gateway.db`, `postgresql://user@host/name`.

    Nothing connects before the first transaction.

    Args:
        url: Names the database; holds no password.
        password_file: Read at each connection.
        connections: How many there are at most, and so transactions at once.
        timeout: How long a transaction waits for a free connection, and how long it may then take.

    Raises:
        InvalidConfiguration: the URL names no database that we know how to use.
    """

    def __init__(
        self,
        url: str,
        *,
        password_file: Path | None = None,
        connections: int = THREADS,
        timeout: timedelta | None = None,
    ) -> None:
        self._timeout = timeout or timedelta(milliseconds=WAIT_MS)
        self.engine = _engine(_url(url), connections, self._timeout)
        if password_file is not None:
            postgresql.read_password_at_each_connect(self.engine, password_file)
        self._writing = self.engine.execution_options(gateway_write=True)
        self._reading = self.engine
        self._is_postgresql = self.engine.dialect.name == "postgresql"
        if self._is_postgresql:
            self._reading = self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._places = anyio.Semaphore(connections, fast_acquire=True)
        self._limiter = anyio.CapacityLimiter(connections)

    @classmethod
    def of(cls, settings: StateSettings) -> Self:
        """Return the database that the settings name."""
        return cls(
            settings.url,
            password_file=settings.password_file,
            connections=settings.connections,
            timeout=settings.timeout,
        )

    async def read(self, work: Callable[[Session], _T]) -> _T:
        """Return what `work` returns, which sees one state of the database and changes nothing.

        Raises:
            StateUnavailable: the database is away, locked, broken or not ours.
        """
        return await self._run(self._reading, work, self._timeout)

    async def write(self, work: Callable[[Session], _T], *, patience: timedelta | None = None) -> _T:
        """Return what `work` returns once all that it did is on disk; if it raises, nothing was done.

        `work` may be run again where the database undid it: it changes nothing but the database.

        Raises:
            Conflict: it broke a constraint.
            StateUnavailable: the database is away, locked, full, broken or not ours. Where that came out at the very
                end, it may have been done.
        """
        return await self._run(self._writing, work, patience or self._timeout)

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

    def connections(self) -> dict[str, int]:
        """Return how many connections are in use, and how many there may be."""
        pool = self.engine.pool
        used = pool.checkedout() if isinstance(pool, QueuePool) else 0
        return {"used": used, "most": int(self._limiter.total_tokens)}

    async def close(self) -> None:
        """Close all connections."""
        await anyio.to_thread.run_sync(self.engine.dispose, limiter=self._limiter)

    async def _run(self, engine: Engine, work: Callable[[Session], _T], patience: timedelta) -> _T:
        try:
            with anyio.fail_after(self._timeout.total_seconds()):
                await self._places.acquire()
        except TimeoutError as error:
            raise _late(self._timeout) from error
        cord = postgresql.Cord()
        alarm = asyncio.get_running_loop().call_later(patience.total_seconds(), cord.cut)
        try:
            return await anyio.to_thread.run_sync(_transact, engine, work, cord, limiter=self._limiter)
        except StateUnavailable as error:
            if not (cord.is_cut and self._is_postgresql):
                raise
            raise _late(patience) from error
        finally:
            alarm.cancel()
            self._places.release()


def _transact(engine: Engine, work: Callable[[Session], _T], cord: postgresql.Cord) -> _T:
    for _ in range(_ATTEMPTS - 1):
        try:
            return _attempt(engine, work, cord)
        except _Undone:
            continue
    try:
        return _attempt(engine, work, cord)
    except _Undone as error:
        raise _unavailable(error.cause) from error.cause


class _Undone(Exception):
    """The database did nothing of the transaction, which may do better at another try."""

    def __init__(self, cause: DBAPIError) -> None:
        super().__init__()
        self.cause = cause


def _attempt(engine: Engine, work: Callable[[Session], _T], cord: postgresql.Cord) -> _T:
    try:
        with (
            engine.connect() as connection,
            cord.tied(connection),
            Session(connection, expire_on_commit=False) as session,
        ):
            done = _work(session, work, cord)
            session.commit()
            return done
    except IntegrityError as error:
        raise Conflict("The change contradicts what the database holds; nothing was changed.") from error
    except (DBAPIError, PoolTimeout) as error:
        raise _unavailable(error) from error


def _work(session: Session, work: Callable[[Session], _T], cord: postgresql.Cord) -> _T:
    try:
        done = work(session)
        session.flush()
    except DBAPIError as error:
        # Before the commit nothing is done yet, also where the connection broke: after a restart of the server, the
        # pool's are all dead, and the first that finds out has them all replaced.
        if not cord.is_cut and (error.connection_invalidated or _sqlstate(error) in _TRY_AGAIN):
            raise _Undone(error) from error
        raise
    return done


def _sqlstate(error: DBAPIError) -> str | None:
    code: str | None = getattr(error.orig, "sqlstate", None)
    return code


def _late(timeout: timedelta) -> StateUnavailable:
    return StateUnavailable(
        f"The database did not answer in {timeout.total_seconds():g} s.",
        hint="Try again; 'gateway doctor' looks closer.",
    )


def _unavailable(error: DBAPIError | PoolTimeout) -> StateUnavailable:
    cause = getattr(error, "orig", None) or error
    # SQLite's name of the error, or PostgreSQL's SQLSTATE (Appendix A: 53100 is disk_full).
    code = getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None)
    if code in {"SQLITE_FULL", "53100"}:
        return StateUnavailable("The database's disk is full.", hint="Free some space; nothing was changed.")
    # The cause's own first line: SQLAlchemy's would add the statement.
    said = str(cause).strip().partition("\n")[0]
    return StateUnavailable(f"The database cannot be used: {said}.", hint="Try again; 'gateway doctor' looks closer.")


def _url(text: str) -> URL:
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise _no_database() from error
    if url.password is not None:
        raise InvalidConfiguration(
            "The setting state.url holds a password.",
            hint="Write it into a file, and name that in state.password_file.",
        )
    # SQLAlchemy's own choice would be another driver.
    return url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url


def _engine(url: URL, connections: int, timeout: timedelta) -> Engine:
    try:
        dialect = url.get_backend_name()
        arguments = {"sqlite": {"timeout": 0}, "postgresql": postgresql.arguments(url, timeout)}[dialect]
        engine = create_engine(
            url,
            hide_parameters=True,  # parameters stay out of errors and logs
            pool_size=connections,
            max_overflow=0,
            pool_timeout=timeout.total_seconds(),
            connect_args=arguments,
        )
    except (ArgumentError, KeyError, ImportError) as error:
        raise _no_database() from error
    if dialect == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _no_database() -> InvalidConfiguration:
    return InvalidConfiguration(
        "The setting state.url names no database that this gateway can use.",
        hint="Write sqlite:///PATH, or postgresql://USER@HOST/NAME with the extra 'postgres' installed.",
    )


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
