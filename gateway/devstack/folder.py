"""The state directory: all that the embedded stack keeps, held by one run at a time, secrets readable by us alone."""

import fcntl
import os
import secrets
from pathlib import Path
from typing import Self

from gateway.errors import LocalFileError, StateInUse


class StateFolder:
    """A locked folder with sub-folders, secret files and logs. Use it as a context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock = -1

    def __enter__(self) -> Self:
        """Make the folder if needed, and take it.

        Raises:
            LocalFileError: it cannot be made or written.
            StateInUse: another run has it.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise LocalFileError(f"{self.path} cannot keep the stack's state: {error.strerror}.") from error
        try:
            # The kernel drops the lock with the process, so that a crash leaves nothing to clear up.
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            raise StateInUse(
                f"{self.path} is in use by another run.", hint="Stop it first, or name another folder with --state."
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        """Let the folder go."""
        os.close(self._lock)

    def subfolder(self, name: str) -> Path:
        """Return a folder inside, made if needed, for our eyes only."""
        folder = self.path / name
        folder.mkdir(exist_ok=True, mode=0o700)
        return folder

    def log(self, name: str) -> Path:
        """Return the log file of a part."""
        return self.subfolder("logs") / f"{name}.log"

    def secret_file(self, name: str) -> Path:
        """Return where a secret of this name is kept."""
        return self.subfolder("secrets") / name

    def keep_secret(self, name: str, value: str) -> Path:
        """Write a secret with mode 0600, whole or not at all, and return its file."""
        file = self.secret_file(name)
        fresh = file.with_name(f".{name}.new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(value)
        fresh.replace(file)
        return file

    def random_secret(self, name: str) -> Path:
        """Return the file of a secret, made up at random (144 bits) at the first call."""
        file = self.secret_file(name)
        return file if file.exists() else self.keep_secret(name, secrets.token_urlsafe(18))
