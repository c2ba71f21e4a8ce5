"""Lets pages of configured origins follow stream links from a browser (Fetch standard, "CORS protocol").

Only the links: they carry their own authority, and no cookie or token of the browser's. A page of another origin gets
answers without the headers that would let it read them.
"""

from collections.abc import Collection
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_METHODS = "GET, HEAD"
_REQUEST_HEADERS = "dpop, if-match, if-none-match, if-range, range"
"""What a page may send. Range alone is safelisted, and only in simple forms (Fetch, "CORS-safelisted")."""
_RESPONSE_HEADERS = "accept-ranges, content-disposition, content-length, content-range, dpop-nonce, etag, x-request-id"
_PREFLIGHT_SECONDS = "600"


class AllowOrigins:
    """Answers preflights, and marks answers for pages of the allowed origins.

    Args:
        app: The application behind.
        origins: Exact origins, `https://host[:port]`. None is a pattern: `*` would let any page read.
        below: The start of the paths that it is about.
    """

    def __init__(self, app: ASGIApp, *, origins: Collection[str], below: str) -> None:
        self._app = app
        self._origins = frozenset(origins)
        self._below = below

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event."""
        if scope["type"] != "http" or not self._origins or not scope["path"].startswith(self._below):
            await self._app(scope, receive, send)
            return
        sent = Headers(scope=scope)
        origin = sent.get("origin", "")
        allowed = origin in self._origins

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.add_vary_header("Origin")  # else a cache could hand one origin's answer to another
                if allowed:
                    headers["access-control-allow-origin"] = origin
                    headers["access-control-expose-headers"] = _RESPONSE_HEADERS
                    headers["cross-origin-resource-policy"] = "cross-origin"
            await send(message)

        if scope["method"] == "OPTIONS" and "access-control-request-method" in sent:
            await _preflight(allowed=allowed)(scope, receive, send_marked)
        else:
            await self._app(scope, receive, send_marked)


def _preflight(*, allowed: bool) -> Response:
    if not allowed:
        return Response(status_code=HTTPStatus.FORBIDDEN)
    return Response(
        status_code=HTTPStatus.NO_CONTENT,
        headers={
            "access-control-allow-methods": _METHODS,
            "access-control-allow-headers": _REQUEST_HEADERS,
            "access-control-max-age": _PREFLIGHT_SECONDS,
        },
    )
