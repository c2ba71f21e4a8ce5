"""PostgreSQL's own part of `engine`: how a connection is made, limited in time, and cut where its server hangs."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Dialect, Engine, event

from gateway.errors import StateUnavailable


def arguments(url: URL, timeout: timedelta) -> dict[str, object]:
    """Return what every connection asks of libpq and of the server, each limit being `timeout`.

    The URL's own `options` come after ours, and so win.
    """
    limit = int(timeout.total_seconds() * 1000)
    settings = {
        "statement_timeout": limit,
        "lock_timeout": limit,
        # A gateway that hangs between two statements must not hold its locks for ever.
        "idle_in_transaction_session_timeout": 2 * limit,
        "timezone": "UTC",
        "application_name": "ml-data-gateway",
    }
    return {
        "connect_timeout": max(2, round(timeout.total_seconds())),  # libpq's least
        "options": " ".join([*(f"-c {name}={value}" for name, value in settings.items()), *_own_options(url)]),
    }


def _own_options(url: URL) -> tuple[str, ...]:
    given = url.query.get("options", ())
    return (given,) if isinstance(given, str) else given


def read_password_at_each_connect(engine: Engine, file: Path) -> None:
    """Let the engine read the password anew for every connection that it makes: it may be replaced while we run.

    The one that was good before is tried as well, as the file may have the new one before the server has.
    """
    good = ""

    @event.listens_for(engine, "do_connect")
    def _(dialect: Dialect, _record: object, arguments: Any, parameters: dict[str, Any]) -> Any:  # noqa: ANN401
        nonlocal good
        new = read_password(file)
        # The new one again, as the server may have come to it after our first try.
        for password in (new, good, new) if good not in {"", new} else (new,):
            try:
                connection = dialect.connect(*arguments, **parameters | {"password": password})
            except dialect.loaded_dbapi.OperationalError as error:
                refusal = error
            else:
                good = password
                return connection
        raise refusal


def read_password(file: Path) -> str:
    """Return the password in a file.

    Raises:
        StateUnavailable: it cannot be read.
    """
    try:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise StateUnavailable(
            f"The database's password cannot be read from {file}.", hint="Name it in state.password_file."
        ) from error


class Cord:
    """Lets another thread cut a transaction's connection.

    The server's own limits do not help where the server hangs, or the network loses what is sent: the thread would
    wait for as long as TCP does.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: int | None = None
        self.is_cut = False

    @contextmanager
    def tied(self, connection: Connection) -> Iterator[None]:
        """Hold the connection for as long as it is ours: it is another's once it is back in the pool."""
        if connection.dialect.name != "postgresql":  # SQLite has no server that could hang
            yield
            return
        driver: Any = connection.connection.dbapi_connection
        with self._lock:
            self._socket = driver.fileno()
            if self.is_cut:
                self._shut()
        try:
            yield
        finally:
            with self._lock:
                self._socket = None

    def cut(self) -> None:
        """Make whoever waits for the server's answer fail at once."""
        with self._lock:
            self.is_cut = True
            self._shut()

    def _shut(self) -> None:
        # Shut, not closed: the number of a closed socket could be another's by the time that libpq uses it.
        if self._socket is not None:
            with suppress(OSError), socket.socket(fileno=os.dup(self._socket)) as shared:
                shared.shutdown(socket.SHUT_RDWR)
