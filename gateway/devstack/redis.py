"""Redis: a server on loopback that asks for a password and keeps everything in memory alone."""

import socket
from datetime import timedelta
from pathlib import Path

from gateway.devstack import programs
from gateway.devstack.folder import StateFolder
from gateway.devstack.network import LOOPBACK
from gateway.devstack.process import Process

_READY_WITHIN = timedelta(seconds=30)

_CONFIGURATION = """\
bind {host}
port {port}
requirepass {password}
save ""
appendonly no
"""


class Redis:
    """A running Redis."""

    def __init__(self, process: Process, *, port: int, password_file: Path) -> None:
        self.process = process
        self.port = port
        self.password_file = password_file

    @classmethod
    def start(cls, folder: StateFolder, *, port: int) -> "Redis":
        """Start the server, empty.

        Raises:
            LocalError: it is not installed.
        """
        home, password_file = folder.subfolder("redis"), folder.random_secret("redis-password")
        password = password_file.read_text(encoding="utf-8")
        # In a file of ours alone: arguments can be read by every user of the machine.
        text = _CONFIGURATION.format(host=LOOPBACK, port=port, password=password)
        process = Process.start(
            "Redis",
            [programs.redis_server(), folder.keep_secret("redis.conf", text)],
            log=folder.log("redis"),
            environment={"PATH": ""},
            folder=home,
        )
        return cls(process, port=port, password_file=password_file)

    @property
    def url(self) -> str:
        """Its address, without the password."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    def wait_ready(self) -> None:
        """Return once it answers.

        Raises:
            ProcessFailed: it did not come up.
        """
        self.process.wait_ready(self._answers, within=_READY_WITHIN)

    def _answers(self) -> bool:
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                # Without the password it says no more than this, which is an answer.
                return connection.recv(64).startswith(b"-NOAUTH")
        except OSError:
            return False
