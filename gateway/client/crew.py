"""Threads that share a list of tasks: bounded ahead, and all stop at the first failure."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Self


class Stopped(Exception):
    """Another task has failed, or the caller was interrupted."""


class Crew:
    """Runs tasks on `threads` threads. Leaving it waits for them, and raises the first failure.

    At most `ahead` tasks wait for a thread, by default as many as there are threads. `on_stop` is called, once or more,
    when there is no use in going on: it wakes up tasks that wait for something.

    >>> done = []
    >>> with Crew(2) as crew:
    ...     for number in range(3):
    ...         crew.submit(done.append, number)
    >>> sorted(done)
    [0, 1, 2]
    """

    def __init__(self, threads: int, *, ahead: int | None = None, on_stop: Callable[[], object] = lambda: None) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="gateway")
        self._room = threading.BoundedSemaphore(threads + (threads if ahead is None else ahead))
        self._lock = threading.Lock()
        self._open: set[Future[object]] = set()
        self._failure: BaseException | None = None
        self._stop = threading.Event()
        self._on_stop = on_stop

    def submit(self, task: Callable[..., object], *args: object) -> None:
        """Hand over a task; waits for its turn, so that little is prepared ahead of its time.

        Raises:
            the failure of any task so far.
        """
        self._room.acquire()
        if self._failure is not None:
            raise self._failure
        future = self._pool.submit(task, *args)
        self._open.add(future)
        future.add_done_callback(self._note)

    def check(self) -> None:
        """Raise `Stopped` if there is no use in going on. Long tasks call it now and then."""
        if self._stop.is_set():
            raise Stopped

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._finish(stop=error is not None)
        except BaseException:  # Ctrl-C, while we wait
            self._finish(stop=True)
            raise
        if error is None and self._failure is not None:
            raise self._failure

    def _finish(self, *, stop: bool) -> None:
        if stop:
            self._stop.set()
            self._on_stop()
            for future in tuple(self._open):
                future.cancel()
        # Not by the pool's own join: a thread whose join was interrupted counts as ended, and would be left behind.
        wait(tuple(self._open))
        self._pool.shutdown()

    def _note(self, future: Future[object]) -> None:
        self._open.discard(future)
        self._room.release()
        failure = None if future.cancelled() else future.exception()
        with self._lock:
            if failure is not None and not isinstance(failure, Stopped) and self._failure is None:
                self._failure = failure
                self._stop.set()
                self._on_stop()
