"""Listens on loopback for the one answer that ends a login in the browser (RFC 8252 7.3)."""

import queue
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from gateway.errors import LoginFailed

PATH = "/callback"
_SILENCE_SECONDS = 5
"""Browsers open connections ahead of need; one that says nothing is closed."""
_MAX_FIELDS = 20
_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>ML Data Gateway</title>
<style>body{font:1.1rem/1.5 system-ui,sans-serif;margin:15vh auto;max-width:30rem;padding:0 1rem}</style>
<h1>Thank you</h1>
<p>The answer has reached the terminal where you ran <code>gateway login</code>; it says how the login ended.
You can close this page.</p>
</html>
"""
_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",  # the code stands in this page's address
    "Cache-Control": "no-store",
    "Connection": "close",
}


class CallbackListener:
    """The redirect address of one login."""

    def __init__(self, server: ThreadingHTTPServer, answers: "queue.Queue[dict[str, str]]") -> None:
        self.redirect_uri = f"http://127.0.0.1:{server.server_port}{PATH}"
        self._answers = answers

    def wait(self, timeout: timedelta) -> Mapping[str, str]:
        """Return the parameters of the first answer.

        Raises:
            LoginFailed: none came in time.
        """
        try:
            return self._answers.get(timeout=timeout.total_seconds())
        except queue.Empty:
            raise LoginFailed(
                f"No answer came from the browser within {timeout.total_seconds():g} s.",
                hint="Log in again, or raise --timeout.",
            ) from None


@contextmanager
def listening() -> Iterator[CallbackListener]:
    """Listen on a free port of 127.0.0.1 until the block ends."""
    answers: queue.Queue[dict[str, str]] = queue.Queue(maxsize=1)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(answers))
    server.daemon_threads = True
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield CallbackListener(server, answers)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(answers: "queue.Queue[dict[str, str]]") -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _SILENCE_SECONDS

        def do_GET(self) -> None:
            answer = _parse(self.path)
            if answer is None:
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            self._thank()
            with suppress(queue.Full):  # the first answer counts; a browser that reloads the page changes nothing
                answers.put_nowait(answer)

        def _thank(self) -> None:
            body = _PAGE.encode()
            self.send_response(HTTPStatus.OK)
            for name, value in _HEADERS.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: the request line holds the code."""

    return Handler


def _parse(target: str) -> dict[str, str] | None:
    """Return the parameters, if the request is to our path and has each once (RFC 6749 3.1)."""
    parts = urlsplit(target)
    try:
        pairs = parse_qsl(parts.query, max_num_fields=_MAX_FIELDS)
    except ValueError:
        return None
    answer = dict(pairs)
    return answer if parts.path == PATH and len(answer) == len(pairs) and answer else None
