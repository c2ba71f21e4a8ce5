"""The SDK's face for asyncio and Trio: the same calls, to be awaited.

There is one engine. Each call runs it on a thread (anyio's), so that the event loop never waits; what the threads wait
for is the network. A push or pull that is cancelled stops at the segment that it is at, and is undone as after any
failure. Another call that is cancelled comes to its end first, as does a push that is being committed.
"""

import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from functools import partial, wraps
from itertools import islice
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from anyio import AsyncFile, CancelScope, CapacityLimiter, get_cancelled_exc_class, to_thread, wrap_file

from gateway.client.gateway import Gateway, Referred
from gateway.client.progress import Progress, Silent

CALLS = 40
"""Calls that are under way at a time, unless told otherwise."""

P = ParamSpec("P")
T = TypeVar("T")
_Awaited = Callable[Concatenate["AsyncGateway", P], Coroutine[Any, Any, T]]
_Streamed = Callable[Concatenate["AsyncGateway", P], AsyncGenerator[T, None]]


def _awaited(method: Callable[Concatenate[Gateway, P], T]) -> _Awaited[P, T]:
    """Make a method to be awaited of one that blocks."""

    @wraps(method)
    async def call(self: "AsyncGateway", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.call(method, self.sync, *args, **kwargs)

    return call


def _transfer(method: Callable[Concatenate[Gateway, P], T]) -> _Awaited[P, T]:
    """Make a method to be awaited of one that takes a while, and stop it when it is cancelled."""

    @wraps(method)
    async def call(self: "AsyncGateway", /, *args: P.args, **kwargs: P.kwargs) -> T:
        transfer = _Transfer(partial(method, self.sync, *args, **kwargs))
        try:
            return await to_thread.run_sync(transfer.run, abandon_on_cancel=True, limiter=self.limiter)
        except get_cancelled_exc_class():
            transfer.stop()
            with CancelScope(shield=True):
                await to_thread.run_sync(transfer.wait)
            raise

    return call


def _streamed(method: Callable[Concatenate[Gateway, P], Iterator[T]], *, at_a_time: int) -> _Streamed[P, T]:
    """Make an asynchronous iterator, which fetches so many items for each turn."""

    @wraps(method)
    async def stream(self: "AsyncGateway", /, *args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[T, None]:
        items = await self.call(method, self.sync, *args, **kwargs)
        while batch := await self.call(list, islice(items, at_a_time)):
            for item in batch:
                yield item

    return stream


class AsyncGateway:
    """A gateway, as one caller; by default the one that `Gateway()` is. Close it after use.

    >>> import asyncio
    >>> from gateway.client import StaticToken
    >>> async def main():
    ...     token = StaticToken("made elsewhere")
    ...     async with AsyncGateway(Gateway("https://gateway.example/", token_source=token)) as gateway:
    ...         return gateway.sync.url
    >>> asyncio.run(main())
    'https://gateway.example'

    What has no method here is called by way of `call`:
    `await gateway.call(gateway.sync.leases.create, ["dataset/vision/digits"], purpose="run-4711", ttl_seconds=3600)`.
    """

    def __init__(self, gateway: Gateway | None = None, *, calls: int = CALLS) -> None:
        self.sync = gateway or Gateway()
        """The engine, for code that blocks."""
        self.limiter = CapacityLimiter(calls)
        """How many calls are under way."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sync.close()

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what a function that blocks returns, without holding the event loop up."""
        return await to_thread.run_sync(partial(function, *args, **kwargs), limiter=self.limiter)

    whoami = _awaited(Gateway.whoami)
    describe = _awaited(Gateway.describe)
    links = _awaited(Gateway.links)
    link = _awaited(Gateway.link)
    revoke = _awaited(Gateway.revoke)
    tag = _awaited(Gateway.tag)
    tag_resource = _awaited(Gateway.tag_resource)
    audit_search = _awaited(Gateway.audit_search)
    audit_sinks = _awaited(Gateway.audit_sinks)

    push = _transfer(Gateway.push)
    pull = _transfer(Gateway.pull)

    resources = _streamed(Gateway.resources, at_a_time=1000)
    files = _streamed(Gateway.files, at_a_time=1000)
    audit_lines = _streamed(Gateway.audit_lines, at_a_time=1000)
    read = _streamed(Gateway.read, at_a_time=1)

    async def open(self, reference: Referred, *, buffer_bytes: int = 1 << 20) -> AsyncFile[bytes]:
        """Open the file that the reference names; see `Gateway.open`. Its methods are to be awaited."""
        return wrap_file(await self.call(self.sync.open, reference, buffer_bytes=buffer_bytes))


class _Cancelled(Exception):
    """Nobody waits for the transfer any more."""


class _Transfer:
    """A push or pull on a thread. It listens to its own progress, and ends there when it is to stop."""

    def __init__(self, run: "partial[T]") -> None:
        self._run = run
        self._told: Progress = run.keywords.get("progress") or Silent()
        self._began, self._stopped, self._ended = threading.Event(), threading.Event(), threading.Event()

    def run(self) -> Any:  # noqa: ANN401 -- what the call returns
        self._began.set()
        try:
            self._check()
            return self._run(progress=self)
        finally:
            self._ended.set()

    def stop(self) -> None:
        self._stopped.set()

    def wait(self) -> None:
        """Wait for its end. One that has not begun by now sees that it is to stop."""
        if self._began.is_set():
            self._ended.wait()

    def expect(self, files: int, size: int) -> None:
        self._told.expect(files, size)

    def moved(self, size: int) -> None:
        self._check()
        self._told.moved(size)

    def finished(self, path: str) -> None:
        self._told.finished(path)

    def _check(self) -> None:
        if self._stopped.is_set():
            raise _Cancelled
