"""One program that we started: made ready within a deadline, watched, stopped, and never left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Self

import httpx

from gateway.devstack import tether
from gateway.errors import ProcessFailed

_POLL = 0.05
_TAIL_BYTES = 2000


class Process:
    """A running program, in a session of its own so that Ctrl-C reaches us alone, and tied to our life."""

    def __init__(self, name: str, child: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.log = log
        self.stop_signal = signal.SIGTERM
        """What asks it to end; a few programs have another for it."""
        self._child = child

    @classmethod
    def start(
        cls, name: str, command: Sequence[str | Path], *, log: Path, environment: Mapping[str, str] | None, folder: Path
    ) -> Self:
        """Start `command` in `folder`, with our own environment if none is given; what it prints goes to `log`.

        Raises:
            RuntimeError: this is not the main thread. The kernel ties a child to the thread that started it
                (prctl(2)), so a child of a short-lived thread would die early.
        """
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError(f"{name} must be started from the main thread.")
        tied = [sys.executable, "-I", "-S", tether.__file__, str(os.getpid()), *map(str, command)]
        with log.open("ab") as output:
            child = subprocess.Popen(
                tied,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=folder,
                start_new_session=True,
            )
        return cls(name, child, log)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._child.pid

    def wait_ready(self, ready: Callable[[], bool], *, within: timedelta) -> None:
        """Return once `ready()` says so.

        Raises:
            ProcessFailed: it ended, or the time is over; the message ends with the tail of its log.
        """
        deadline = time.monotonic() + within.total_seconds()
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise self._failure(f"was not ready within {within.total_seconds():g} s")
            time.sleep(_POLL)

    def check(self) -> None:
        """Raise `ProcessFailed` unless the program runs."""
        code = self._child.poll()
        if code is not None:
            raise self._failure(f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}")

    def stop(self, *, grace: timedelta = timedelta(seconds=10)) -> None:
        """Ask the program to end, and end it (SIGKILL) when `grace` is over. Stopping twice is fine."""
        self._child.send_signal(self.stop_signal)
        try:
            self._child.wait(grace.total_seconds())
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def _failure(self, what: str) -> ProcessFailed:
        tail = self.log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace").strip()
        return ProcessFailed(
            f"{self.name} {what}. Its log ends:\n{tail or '(empty)'}", hint=f"The whole log: {self.log}"
        )


def answers(url: str, *, status: int = 200) -> bool:
    """Tell whether a GET of `url` returns `status` at this moment."""
    return status_of(url) == status


def status_of(url: str) -> int | None:
    """Return the HTTP status that a GET of `url` gives, or None where nothing answers."""
    try:
        # Loopback needs no proxy, whatever the environment says.
        return httpx.get(url, timeout=2, trust_env=False).status_code
    except httpx.TransportError:
        return None
