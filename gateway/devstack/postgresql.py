"""PostgreSQL: a server on loopback that asks for a password, made at its first start."""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from gateway.devstack import programs
from gateway.devstack.folder import StateFolder
from gateway.devstack.network import LOOPBACK
from gateway.devstack.process import Process
from gateway.errors import LocalError, ProcessFailed

USER = "gateway"
_READY_WITHIN = timedelta(seconds=60)
_NOBODY = 65534
"""The user and group that own nothing (Linux, `nobody`): PostgreSQL refuses to run as root."""


class PostgreSQL:
    """A running PostgreSQL with a user `gateway`, who may do everything."""

    def __init__(self, process: Process, *, port: int, password_file: Path) -> None:
        self.process = process
        self.port = port
        self.password_file = password_file

    @classmethod
    def start(cls, folder: StateFolder, *, port: int, settings: Mapping[str, str] | None = None) -> "PostgreSQL":
        """Start the server, new or as it was; `settings` are PostgreSQL's own, by name.

        Raises:
            ProcessFailed: it could not be made; the message ends with what it said.
            LocalError: it is not installed.
        """
        home = folder.subfolder("postgresql")
        data, password_file = home / "data", folder.random_secret("postgresql-password")
        if not (data / "PG_VERSION").exists():
            _make(data, password_file)
        given = [f"--{name}={value}" for name, value in (settings or {}).items()]
        listen = [f"--listen_addresses={LOOPBACK}", f"--port={port}", "--unix_socket_directories="]
        process = Process.start(
            "PostgreSQL",
            [*_as_somebody(), programs.postgresql("postgres"), "-D", data, *listen, *given],
            log=folder.log("postgresql"),
            environment={"PATH": ""},
            folder=home,
        )
        process.stop_signal = signal.SIGINT  # its "fast shutdown"; SIGTERM would wait for clients to leave
        return cls(process, port=port, password_file=password_file)

    @property
    def url(self) -> str:
        """The database `postgres`, as SQLAlchemy names it, without the password."""
        return f"postgresql+psycopg://{USER}@{LOOPBACK}:{self.port}/postgres"

    def wait_ready(self) -> None:
        """Return once it takes connections.

        Raises:
            ProcessFailed: it did not come up.
        """
        ask = [str(programs.postgresql("pg_isready")), "--quiet", f"--host={LOOPBACK}", f"--port={self.port}"]
        self.process.wait_ready(lambda: subprocess.call(ask) == 0, within=_READY_WITHIN)


def _make(data: Path, password_file: Path) -> None:
    shutil.rmtree(data, ignore_errors=True)  # what an earlier attempt may have left half-way
    data.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(data, _NOBODY, _NOBODY)
    done = subprocess.run(
        [
            *_as_somebody(),
            programs.postgresql("initdb"),
            f"--pgdata={data}",
            f"--username={USER}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
        ],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin"},
        cwd=data.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        shutil.rmtree(data)
        raise ProcessFailed(
            f"PostgreSQL's initdb ended with exit code {done.returncode}: {done.stderr.strip()[-1000:]}"
        )


def _as_somebody() -> list[str]:
    """Return what runs a program as another user where we are root, with root's way through private folders alone."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise LocalError(
            "PostgreSQL does not run as root, and there is no 'setpriv' to become another user.",
            hint="Run as an ordinary user, or install util-linux.",
        )
    become = [f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"]
    reach = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    # The kernel forgets the tether (prctl(2), PR_SET_PDEATHSIG) when the user changes, so it is tied again.
    return [setpriv, *become, *reach, "--pdeathsig=KILL"]
