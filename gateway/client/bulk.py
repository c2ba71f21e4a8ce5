"""Bytes to and from S3 on signed URLs. Connections are kept and shared between threads.

`http.client` and not httpx: it moves the same bytes with a third of the processor time, and on fast networks that is
what bounds a transfer.
"""

import re
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Self
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

from gateway.client.tls import tls_context
from gateway.errors import (
    CiphertextTampered,
    CiphertextTruncated,
    ConnectionLost,
    GatewayError,
    IntegrityError,
    LinkExpired,
    LinkRefused,
    StorageUnavailable,
)

CHUNK_BYTES = 1 << 20
"""As long as a segment of the ciphertext, so that chunks and segments lie on each other and nothing is copied."""

_TIMEOUT_SECONDS = 60.0
_MAX_REFUSAL_BYTES = 64 << 10
_CODE = re.compile(rb"<Code>([A-Za-z0-9.]{1,64})</Code>")


@dataclass(frozen=True, slots=True)
class Span:
    """The bytes `start` (inclusive) to `end` (exclusive) of an object of `size` bytes."""

    start: int
    end: int
    size: int

    @classmethod
    def whole(cls, size: int) -> Self:
        """Return the span of a whole object."""
        return cls(0, size, size)

    def __len__(self) -> int:
        return self.end - self.start

    @property
    def headers(self) -> dict[str, str]:
        """The Range header (RFC 9110 14.2), unless it is the whole."""
        return {} if len(self) == self.size else {"Range": f"bytes={self.start}-{self.end - 1}"}


class BulkTransport:
    """Kept connections to S3. Threads may share it."""

    def __init__(self) -> None:
        self._idle: defaultdict[tuple[str, str], list[HTTPConnection]] = defaultdict(list)
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the connections that nobody uses."""
        with self._lock:
            for connection in (c for waiting in self._idle.values() for c in waiting):
                connection.close()
            self._idle.clear()

    def get(self, url: str, span: Span) -> Iterator[bytes]:
        """Yield the bytes of the span in chunks of `CHUNK_BYTES`; the last may be shorter.

        Raises:
            LinkExpired, LinkRefused: S3 does not take the link.
            CiphertextTruncated, CiphertextTampered: the object has another size than was written.
            ConnectionLost: S3 went away before or in the middle.
            StorageUnavailable: S3 answers with a failure.
        """
        with self._exchange("GET", url, span.headers) as response:
            _require_length(response, span)
            missing = len(span)
            while missing:
                chunk = response.read(min(CHUNK_BYTES, missing))
                if not chunk:
                    raise ConnectionLost(f"{_host(url)} closed the connection {missing:,} bytes early.")
                missing -= len(chunk)
                yield chunk
            response.read()  # the end of the message, so that the connection can be kept

    def put(self, url: str, headers: Mapping[str, str], body: Iterable[bytes | memoryview]) -> str:
        """Send the body with the signed headers as they are, and return the ETag.

        Raises:
            LinkExpired, LinkRefused: S3 does not take the link.
            ConnectionLost: S3 went away before or in the middle.
            StorageUnavailable: S3 answers with a failure.
        """
        with self._exchange("PUT", url, headers, body) as response:
            response.read()
            etag = response.getheader("ETag")
        if not etag:
            raise StorageUnavailable(f"{_host(url)} did not confirm an upload with an ETag.")
        return etag

    @contextmanager
    def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: Iterable[bytes | memoryview] | None = None
    ) -> Iterator[HTTPResponse]:
        """Send and give the successful response; keep the connection if the response was read to its end."""
        parts = urlsplit(url)
        connection = self._take(parts)
        kept = False
        try:
            response = _send(connection, method, f"{parts.path}?{parts.query}", headers, body)
            if response.status not in {200, 206}:
                raise _refusal(response, parts)
            yield response
            if response.isclosed() and not response.will_close:
                kept = True
                self._keep(parts, connection)
        except (OSError, HTTPException) as error:
            self.close()  # what was kept is likely to be as dead
            raise ConnectionLost(f"The connection to {parts.netloc} was lost ({type(error).__name__}).") from error
        finally:
            if not kept:
                connection.close()

    def _take(self, parts: SplitResult) -> HTTPConnection:
        with self._lock:
            waiting = self._idle[parts.scheme, parts.netloc]
            return waiting.pop() if waiting else _connect(parts)

    def _keep(self, parts: SplitResult, connection: HTTPConnection) -> None:
        with self._lock:
            self._idle[parts.scheme, parts.netloc].append(connection)


def _connect(parts: SplitResult) -> HTTPConnection:
    host, port = parts.hostname or "", parts.port
    if parts.scheme != "https":
        return HTTPConnection(host, port, timeout=_TIMEOUT_SECONDS)
    proxy = None if proxy_bypass(host) else getproxies().get("https")
    if not proxy:
        return HTTPSConnection(host, port, timeout=_TIMEOUT_SECONDS, context=tls_context())
    via = urlsplit(proxy)
    connection = HTTPSConnection(via.hostname or "", via.port, timeout=_TIMEOUT_SECONDS, context=tls_context())
    connection.set_tunnel(host, port)
    return connection


def _send(
    connection: HTTPConnection,
    method: str,
    target: str,
    headers: Mapping[str, str],
    body: Iterable[bytes | memoryview] | None,
) -> HTTPResponse:
    # S3 may refuse before it has read the body, and close: then its answer says more than our broken pipe.
    with suppress(BrokenPipeError, ConnectionResetError):
        connection.request(method, target, body=body, headers=dict(headers))
    return connection.getresponse()


def _require_length(response: HTTPResponse, span: Span) -> None:
    length = response.length or 0
    if response.status != (206 if span.headers else 200):
        raise StorageUnavailable(f"S3 answered a request for a range with {response.status}.")
    if length < len(span):
        raise CiphertextTruncated(f"S3 holds {span.start + length:,} of the {span.end:,} bytes that were written.")
    if length > len(span):
        raise CiphertextTampered(f"S3 holds more than the {span.size:,} bytes that were written.")


def _refusal(response: HTTPResponse, parts: SplitResult) -> GatewayError:
    """Return the error for what S3 says. The link itself stays out of it."""
    body = response.read(_MAX_REFUSAL_BYTES)
    found = _CODE.search(body)
    code = found[1].decode() if found else f"status {response.status}"
    if response.status == 403:  # noqa: PLR2004 -- Forbidden
        if b"expired" in body.lower():
            return LinkExpired(f"The link to {parts.netloc} has expired.", hint="Ask for a new one.")
        return LinkRefused(
            f"{parts.netloc} refuses the link ({code}).", hint="'gateway doctor' checks the S3 settings."
        )
    if response.status in {404, 416}:
        return IntegrityError(f"{parts.netloc} has not the object that was written ({code}).")
    return StorageUnavailable(f"{parts.netloc} failed ({code}).", hint="Try again.")


def _host(url: str) -> str:
    return urlsplit(url).netloc
