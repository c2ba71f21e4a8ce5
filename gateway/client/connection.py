"""Requests to the gateway's API: JSON in, JSON out, problems as our errors. Repeats only what is safe to repeat."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import httpx

from gateway.client.authorization import CallerAuth
from gateway.client.tls import tls_context
from gateway.client.tokens import TokenSource
from gateway.errors import GatewayError, GatewayUnavailable, by_code

MAX_ANSWER_BYTES = 64 << 20
"""More than any answer of the API has; a longer one is no gateway's."""

_ATTEMPTS = 4
_LONGEST_WAIT_SECONDS = 15.0
_TIMEOUT = httpx.Timeout(60, connect=10)
_COMMIT_TIMEOUT = httpx.Timeout(900, connect=10)
"""A commit of a million files takes a while before its answer begins."""

Build = Callable[[], httpx.Request]
Param = str | int | None | list[str]
T = TypeVar("T")


class Connection:
    """The gateway at one URL, as one caller. Threads may share it."""

    def __init__(self, url: str, tokens: TokenSource, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.url = url
        self._sleep = sleep
        self._answered = False
        try:
            self._http = httpx.Client(base_url=url, auth=CallerAuth(tokens), verify=tls_context(), timeout=_TIMEOUT)
        except httpx.InvalidURL as error:
            raise GatewayUnavailable(
                f"{url[:200]!r} is no URL of a gateway.", hint="Write http(s)://host:port."
            ) from error

    def close(self) -> None:
        """Close the sockets."""
        self._http.close()

    def get(self, path: str, **params: Param) -> object:
        """Return the JSON that a GET answers. Parameters that are None are left out."""
        return self._exchange(lambda: self._http.build_request("GET", path, params=_given(params)), read=self._json)

    def post(self, path: str, body: Mapping[str, object], *, repeatable: bool) -> object:
        """Return the JSON that a POST answers; `repeatable` where doing it twice does no harm."""
        return self._exchange(
            lambda: self._http.build_request("POST", path, json=body), read=self._json, repeatable=repeatable
        )

    def post_for_lines(self, path: str, body: Mapping[str, object]) -> list[bytes]:
        """Return the lines that a POST answers (NDJSON), without their ends. Doing it twice must do no harm."""
        return self._exchange(lambda: self._http.build_request("POST", path, json=body), read=_bounded).split(b"\n")

    def post_lines(self, path: str, lines: Callable[[], Iterable[bytes]], **params: Param) -> object:
        """POST lines as they are made (NDJSON), and return the JSON that comes back. Doing it twice must do no harm."""
        return self._exchange(
            lambda: self._http.build_request(
                "POST",
                path,
                params=_given(params),
                content=_Again(lines),
                headers={"content-type": "application/x-ndjson"},
                timeout=_COMMIT_TIMEOUT,
            ),
            read=self._json,
        )

    def put(self, path: str, body: Mapping[str, object]) -> object:
        """Return the JSON that a PUT answers."""
        return self._exchange(lambda: self._http.build_request("PUT", path, json=body), read=self._json)

    def patch(self, path: str, body: Mapping[str, object]) -> object:
        """Return the JSON that a PATCH answers; ours may be repeated."""
        return self._exchange(lambda: self._http.build_request("PATCH", path, json=body), read=self._json)

    def delete(self, path: str) -> None:
        """DELETE."""
        self._exchange(lambda: self._http.build_request("DELETE", path), read=self._json)

    def lines(self, path: str, **params: Param) -> Iterator[bytes]:
        """Yield the lines that a GET answers, without their ends, as they come."""
        try:
            with self._answer(self._http.build_request("GET", path, params=_given(params))) as response:
                yield from _split(response.iter_bytes())
        except _TryLater as later:
            raise later.reason from later

    def _exchange(self, build: Build, *, read: Callable[[httpx.Response], T], repeatable: bool = True) -> T:
        attempt = 1
        while True:
            try:
                with self._answer(build()) as response:
                    return read(response)
            except _TryLater as later:
                if not repeatable or attempt == _ATTEMPTS:
                    raise later.reason from later
                self._sleep(min(later.seconds, _LONGEST_WAIT_SECONDS))
                attempt += 1

    @contextmanager
    def _answer(self, request: httpx.Request) -> Iterator[httpx.Response]:
        """Send, and give the response if it is a success; else raise what the gateway says."""
        try:
            response = self._http.send(request, stream=True)
            self._answered = True
            try:
                if not response.is_success:
                    raise self._refusal(response)
                yield response
            finally:
                response.close()
        except httpx.HTTPError as error:
            raise self._lost(error) from error

    def _json(self, response: httpx.Response) -> object:
        body = _bounded(response)
        try:
            return json.loads(body) if body else None
        except ValueError as error:
            raise self._not_ours(response) from error

    def _refusal(self, response: httpx.Response) -> Exception:
        error = self._problem(response)
        after = response.headers.get("retry-after", "")
        if response.status_code in {503, 429} and after.isdecimal():
            return _TryLater(error, float(after))
        return error

    def _problem(self, response: httpx.Response) -> GatewayError:
        """Return the error that a problem document (RFC 9457) stands for."""
        try:
            problem = json.loads(_bounded(response))
            kind = by_code().get(problem["code"], GatewayError)
            return kind(str(problem["detail"]), hint=str(problem.get("hint", "")))
        except (ValueError, KeyError, TypeError):
            return self._not_ours(response)

    def _not_ours(self, response: httpx.Response) -> GatewayError:
        return GatewayUnavailable(
            f"{self.url} answered {response.status_code} in a way that no gateway does.",
            hint="Is the URL right? A proxy in between may answer instead of the gateway.",
        )

    def _lost(self, error: httpx.HTTPError) -> Exception:
        reason = GatewayUnavailable(
            f"No gateway answers at {self.url} ({_why(error)}).", hint="Is it running, and is GATEWAY_URL right?"
        )
        # A gateway that has answered before may be restarting; one that never did is likelier a wrong URL.
        return _TryLater(reason, 1.0) if self._answered else reason


class _Again:
    """A body that is made anew each time it is sent."""

    def __init__(self, lines: Callable[[], Iterable[bytes]]) -> None:
        self._lines = lines

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._lines())


class _TryLater(Exception):
    """The request was not done, or may be done again: `reason` says why, if there is no time left for it."""

    def __init__(self, reason: GatewayError, seconds: float) -> None:
        super().__init__(reason.message)
        self.reason = reason
        self.seconds = seconds


def _why(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "it took too long"
    if isinstance(error, httpx.ConnectError):
        return "connection refused" if "refused" in str(error).lower() else "cannot connect"
    return "the connection was lost"


def _bounded(response: httpx.Response) -> bytes:
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise GatewayUnavailable(f"An answer is over {MAX_ANSWER_BYTES:,} bytes.", hint="Is this a gateway?")
    return bytes(body)


def _split(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Cut at line feeds and nowhere else: what is signed or hashed as a line stays that line."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
    if rest:
        yield rest


def _given(params: Mapping[str, Param]) -> dict[str, str | int | list[str]]:
    return {name: value for name, value in params.items() if value is not None}
