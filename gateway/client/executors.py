"""Where bulk work over objects runs: on this machine's cores, or on a Dask cluster. The same code, and one choice.

What runs there is handed plain values: links and keys to one object, and no login.
"""

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from importlib import import_module
from typing import Any, TypeVar

from gateway.errors import InvalidConfiguration, InvalidInput, Unavailable

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 4
"""Items under way for each worker: so many that none is idle, so few that their links do not expire in a queue."""
_ON_A_CLUSTER = 256
"""Items under way on a cluster, whose workers may come and go."""


@contextmanager
def executor(scheduler: str | None = None, *, processes: int | None = None) -> Iterator[Executor]:
    """Give an executor: a process a core, or the Dask cluster with this scheduler, as `tcp://host:8786`.

    Raises:
        InvalidInput: that is no scheduler's address.
        InvalidConfiguration: Dask is not installed.
        Unavailable: the cluster cannot be reached.
    """
    if scheduler is None:
        # Spawned: a fork of a program with threads may hold a lock that nobody will open.
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes or os.cpu_count(), mp_context=spawn) as pool:
            yield pool
        return
    with _cluster(scheduler) as pool:
        yield pool


@contextmanager
def _cluster(scheduler: str) -> Iterator[Executor]:
    try:
        dask: Any = import_module("distributed")  # an extra, wanted by few
    except ImportError as error:
        hint = 'pip install "ml-data-gateway[dask]"'
        raise InvalidConfiguration("--scheduler needs Dask, which is not installed.", hint=hint) from error
    if not scheduler.startswith(("tcp://", "tls://")):
        raise InvalidInput(f"{scheduler[:80]!r} is no address of a scheduler.", hint="Write tcp://HOST:PORT.")
    try:
        client = dask.Client(scheduler, timeout="30s", set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise Unavailable(f"No Dask scheduler answers at {scheduler}.", hint="See if it runs.") from error
    with client:
        pool: Executor = client.get_executor(pure=False, retries=3)
        with pool:
            yield pool


def each(pool: Executor, work: Callable[[T], R], items: Iterable[T]) -> Iterator[tuple[T, R | BaseException]]:
    """Yield each item with what the work on it returned or raised, as they are done; items are taken as needed.

    Raises:
        Unavailable: the workers died. What was yielded is done; the rest may be done again.
    """
    width = _AHEAD * getattr(pool, "_max_workers", _ON_A_CLUSTER // _AHEAD)
    waiting: dict[Future[R], T] = {}
    rest = iter(items)
    try:
        while True:
            while len(waiting) < width and (following := next(rest, None)) is not None:
                waiting[pool.submit(work, following)] = following
            if not waiting:
                return
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                item = waiting.pop(future)
                outcome: R | BaseException = _outcome(future)
                yield item, outcome
    finally:
        for future in waiting:
            future.cancel()


def _outcome(future: "Future[R]") -> "R | BaseException":
    failure = future.exception()
    if isinstance(failure, BrokenExecutor):
        raise Unavailable("A worker process died.", hint="Run it again: what was done is not lost.") from failure
    return failure if failure is not None else future.result()
