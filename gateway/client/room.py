"""Memory that threads share: whoever wants more than is free waits."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Room:
    """So many bytes. One who wants more than all of them gets all.

    >>> room = Room(100)
    >>> with room.take(60):
    ...     room.free
    40
    """

    def __init__(self, size: int) -> None:
        self._size = self.free = size
        self._changed = threading.Condition()

    @contextmanager
    def take(self, size: int) -> Iterator[None]:
        """Hold some of it while the block runs."""
        size = min(size, self._size)
        with self._changed:
            self._changed.wait_for(lambda: self.free >= size)
            self.free -= size
        try:
            yield
        finally:
            with self._changed:
                self.free += size
                self._changed.notify_all()
