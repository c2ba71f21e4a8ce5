"""Locks between processes, on files that stay where they are."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform != "win32":  # there, processes are not kept apart
    import fcntl

_OWNER_ONLY = 0o600


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Keep other processes out of the same lock until the block ends. The system frees it when a process dies.

    Raises:
        OSError: the file cannot be made or opened.
    """
    opened = os.open(file, os.O_WRONLY | os.O_CREAT, _OWNER_ONLY)
    try:
        if sys.platform != "win32":
            fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


@contextmanager
def try_lock(file: Path) -> Iterator[bool]:
    """Tell whether the lock was free; if so, it is ours until the block ends.

    Raises:
        OSError: the file cannot be made or opened.
    """
    opened = os.open(file, os.O_WRONLY | os.O_CREAT, _OWNER_ONLY)
    try:
        free = True
        if sys.platform != "win32":
            try:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                free = False
        yield free
    finally:
        os.close(opened)
