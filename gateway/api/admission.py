"""Lets requests in: as many at once as the gateway can serve well, and until it is told to stop. Plain ASGI.

What is too much is told so at once, while there is still time to say it: 503 with Retry-After, at different times for
each, so that they do not come back together.
"""

import random
from datetime import timedelta

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api import problems
from gateway.api.rates import FOUND, Rates
from gateway.errors import Draining, GatewayError, Overloaded

ALIVE, READY = "/healthz", "/readyz"
"""Asked by what watches over us, and answered however much there is to do."""
_COME_AGAIN_SECONDS = (1, 3)


class Gate:
    """How much is inside.

    Args:
        rates: how often somebody may ask.
        requests: how many requests may be served at once.
        streams: how many downloads, which take longer and less.
    """

    def __init__(self, rates: Rates, *, requests: int, streams: int) -> None:
        self.rates = rates
        self.most = {"requests": requests, "streams": streams}
        self.inside = dict.fromkeys(self.most, 0)
        self.shed = dict.fromkeys(self.most, 0)
        """How many were sent away so far."""
        self.draining = False

    def drain(self) -> None:
        """Say that we are about to stop: to who watches over us, and with each answer to who asks.

        All that comes is served as before, until nothing comes any more.
        """
        self.draining = True

    def enter(self, kind: str) -> None:
        """Let one in.

        Raises:
            Overloaded: there are as many inside as can be served.
        """
        if self.inside[kind] >= self.most[kind]:
            self.shed[kind] += 1
            raise Overloaded(
                "The gateway has as much to do as it can do at once.",
                hint="Try again; the gateway says when.",
                retry_after=timedelta(seconds=random.randint(*_COME_AGAIN_SECONDS)),  # noqa: S311  spreads load
            )
        self.inside[kind] += 1

    def leave(self, kind: str) -> None:
        """Say that one is done."""
        self.inside[kind] -= 1


class Admit:
    """The gate, as a layer of the application.

    Args:
        app: the application behind.
        gate: who may come in.
        streams_below: the paths of downloads.
    """

    def __init__(self, app: ASGIApp, *, gate: Gate, streams_below: str) -> None:
        self._app = app
        self._gate = gate
        self._streams_below = streams_below
        self._policy = gate.rates.policy.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        gate, path = self._gate, scope["path"]

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._add_headers(scope, message)
            await send(message)

        if path in {ALIVE, READY}:
            if gate.draining and path == READY:
                error = Draining("This gateway is about to stop.", hint="Ask another one.")
                await _refuse(scope, receive, send_with_headers, error)
            else:
                await self._app(scope, receive, send)
            return
        kind = "streams" if path.startswith(self._streams_below) else "requests"
        try:
            gate.rates.count_network(scope)
            gate.enter(kind)
        except GatewayError as error:
            await _refuse(scope, receive, send_with_headers, error)
            return
        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            gate.leave(kind)

    def _add_headers(self, scope: Scope, message: Message) -> None:
        headers = message["headers"]
        rate = scope.get(FOUND)
        if rate is not None:
            name, left, wait = rate
            headers.append((b"ratelimit-policy", self._policy))
            headers.append((b"ratelimit", f'"{name}";r={left};t={wait}'.encode()))
        if self._gate.draining:
            headers.append((b"connection", b"close"))  # the next request is for another instance


async def _refuse(scope: Scope, receive: Receive, send: Send, error: GatewayError) -> None:
    response = await problems.answer_to(Request(scope), error)
    await response(scope, receive, send)
