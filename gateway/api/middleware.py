"""What every request passes: an id, a bound on its body, the security headers. Plain ASGI: streams stay streams."""

import re
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api import problems
from gateway.unique import unique_id

_SENT_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LENGTH = re.compile(r"[0-9]{1,18}")

SECURITY_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
"""OWASP REST Security Cheat Sheet, "Security headers". A route that sets one of these keeps its own."""

_SECURITY_HEADERS = [(name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]


class Envelop:
    """Gives each request its id, each response the security headers, and each unforeseen failure an answer.

    An id that the caller sent in X-Request-Id is kept if it is plain text of up to 64 characters.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent = Headers(scope=scope).get("x-request-id", "")
        request_id = sent if _SENT_ID.fullmatch(sent) else unique_id(8)
        scope["request_id"] = request_id

        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = message.setdefault("headers", [])
                own = {name for name, _ in headers}
                headers += [header for header in _SECURITY_HEADERS if header[0] not in own]
                headers.append((b"x-request-id", request_id.encode()))
                if nonce := scope.get("dpop_nonce"):
                    headers.append((b"dpop-nonce", nonce.encode()))  # for the client's next proof of possession
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception as error:
            if started:
                raise  # nothing more can be said; the server cuts the connection, and the length gives it away
            await problems.unexpected(Request(scope), error)(scope, receive, send_with_headers)


class BoundBody:
    """Refuses a body over its limit: by its announced length before reading, else as it arrives.

    Args:
        app: the application behind.
        limit: bytes that a body may have.
        long_limit: bytes for the route that reads its body as a stream, once it knows the caller. All others hold
            theirs in memory before.
        long_path: that route's paths.
    """

    def __init__(self, app: ASGIApp, *, limit: int, long_limit: int, long_path: re.Pattern[str]) -> None:
        self._app = app
        self._limit = limit
        self._long_limit = long_limit
        self._long_path = long_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._long_limit if self._long_path.fullmatch(scope["path"]) else self._limit
        announced = Headers(scope=scope).get("content-length", "0")
        over = not _LENGTH.fullmatch(announced) or int(announced) > limit
        left = limit

        async def bounded() -> Message:
            nonlocal left
            if over:
                raise _too_large(limit)
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise _too_large(limit)
            return message

        await self._app(scope, bounded, send)


def _too_large(limit: int) -> HTTPException:
    # An HTTPException, since FastAPI turns any other error met while it reads a body into a 400.
    return HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body is over the limit of {limit:,} bytes.")
