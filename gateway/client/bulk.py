"""Bytes to and from S3 on signed URLs. Connections are kept and shared between threads."""

import re
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from gateway.client.throttle import Throttle
from gateway.client.wire import Answer, Wire
from gateway.errors import (
    CiphertextTampered,
    CiphertextTruncated,
    ConnectionLost,
    GatewayError,
    LinkExpired,
    LinkRefused,
    ObjectMissing,
    StorageUnavailable,
)

CHUNK_BYTES = 1 << 20
"""As long as a segment of the ciphertext, so that chunks and segments lie on each other and nothing is copied."""

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


class Body:
    """An object's bytes on their way."""

    def __init__(self, answer: Answer, throttle: Throttle | None) -> None:
        self._answer = answer
        self._throttle = throttle

    def readinto(self, buffer: memoryview) -> int:
        """Fill some of the buffer, which has room, and return how much.

        Raises:
            OSError: the connection failed, or ended too early; `BulkTransport.reading` makes `ConnectionLost` of it.
        """
        if self._throttle is None:
            return self._answer.readinto(buffer)
        size = self._answer.readinto(buffer[: self._throttle.piece_bytes])
        self._throttle.pay(size)
        return size


class BulkTransport:
    """Kept connections to S3. Threads may share it, and with it a limit to their rate."""

    def __init__(self, throttle: Throttle | None = None) -> None:
        self._throttle = throttle
        self._idle: defaultdict[str, list[Wire]] = defaultdict(list)
        self._busy: set[Wire] = set()
        self._lock = threading.Lock()

    def interrupt(self) -> None:
        """Break every exchange that is under way, wherever it waits; its thread finds the connection lost."""
        with self._lock:
            for wire in self._busy:
                wire.interrupt()

    def close(self) -> None:
        """Close the connections that nobody uses."""
        with self._lock:
            for wire in (w for waiting in self._idle.values() for w in waiting):
                wire.close()
            self._idle.clear()

    @contextmanager
    def reading(self, url: str, span: Span) -> Iterator[Body]:
        """Give the bytes of the span, to be read into buffers of the caller.

        Raises:
            LinkExpired, LinkRefused: S3 does not take the link.
            CiphertextTruncated, CiphertextTampered: the object has another size than was written.
            ConnectionLost: S3 went away before or in the middle.
            StorageUnavailable: S3 answers with a failure.
        """
        with self._exchange("GET", url, span.headers) as answer:
            _require_length(answer, span)
            yield Body(answer, self._throttle)

    def get(self, url: str, span: Span) -> Iterator[bytes]:
        """Yield the bytes of the span in chunks of `CHUNK_BYTES`, but for the last. Raises what `reading` does."""
        buffer = memoryview(bytearray(min(CHUNK_BYTES, len(span))))
        missing = len(span)
        with self.reading(url, span) as body:
            while missing:
                wanted = buffer[: min(len(buffer), missing)]
                filled = 0
                while filled < len(wanted):
                    filled += body.readinto(wanted[filled:])
                missing -= filled
                yield bytes(wanted)

    def put(self, url: str, headers: Mapping[str, str], body: Iterable[bytes | memoryview]) -> str:
        """Send the body with the signed headers as they are, and return the ETag.

        Raises:
            LinkExpired, LinkRefused: S3 does not take the link.
            ConnectionLost: S3 went away before or in the middle.
            StorageUnavailable: S3 answers with a failure.
        """
        with self._exchange("PUT", url, headers, self._held_back(body)) as answer:
            answer.small()
            etag = answer.headers.get("etag")
        if not etag:
            raise StorageUnavailable(f"{_host(url)} did not confirm an upload with an ETag.")
        return etag

    def _held_back(self, body: Iterable[bytes | memoryview]) -> Iterable[bytes | memoryview]:
        if self._throttle is None:
            yield from body
            return
        step = self._throttle.piece_bytes
        for piece in body:
            view = memoryview(piece)
            for start in range(0, len(view), step):
                part = view[start : start + step]
                self._throttle.pay(len(part))
                yield part

    @contextmanager
    def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: Iterable[bytes | memoryview] = ()
    ) -> Iterator[Answer]:
        """Send and give the successful answer; keep the connection if the answer was read to its end."""
        server, target = _address(url)
        wire = None
        kept = False
        try:
            wire = self._take(server)
            answer = wire.exchange(method, target, headers, body)
            if answer.status not in {200, 206}:
                raise _refusal(answer, server)
            yield answer
            kept = answer.reusable
        except OSError as error:
            self.close()  # what was kept is likely to be as dead
            raise ConnectionLost(f"The connection to {_host(server)} was lost ({type(error).__name__}).") from error
        finally:
            if wire is not None:
                self._leave(wire, server, kept=kept)

    def _take(self, server: str) -> Wire:
        with self._lock:
            waiting = self._idle[server]
            wire = waiting.pop() if waiting else None
        wire = wire or Wire(urlsplit(server))
        with self._lock:
            self._busy.add(wire)
        return wire

    def _leave(self, wire: Wire, server: str, *, kept: bool) -> None:
        with self._lock:
            self._busy.discard(wire)
            if kept:
                self._idle[server].append(wire)
            else:
                wire.close()


def _require_length(response: Answer, span: Span) -> None:
    length = response.length or 0
    if response.status != (206 if span.headers else 200):
        raise StorageUnavailable(f"S3 answered a request for a range with {response.status}.")
    if length < len(span):
        raise CiphertextTruncated(f"S3 holds {span.start + length:,} of the {span.end:,} bytes that were written.")
    if length > len(span):
        raise CiphertextTampered(f"S3 holds more than the {span.size:,} bytes that were written.")


def _refusal(response: Answer, server: str) -> GatewayError:
    """Return the error for what S3 says. The link itself stays out of it."""
    body, host = response.small(), _host(server)
    found = _CODE.search(body)
    code = found[1].decode() if found else f"status {response.status}"
    if response.status == 403:  # noqa: PLR2004 -- Forbidden
        if b"expired" in body.lower():
            return LinkExpired(f"The link to {host} has expired.", hint="Ask for a new one.")
        return LinkRefused(f"{host} refuses the link ({code}).", hint="'gateway doctor' checks the S3 settings.")
    if response.status in {404, 416}:
        return ObjectMissing(f"{host} has not the object that was written ({code}).")
    return StorageUnavailable(f"{host} failed ({code}).", hint="Try again.")


def _address(url: str) -> tuple[str, str]:
    """Return scheme and server of a URL, and what is asked of it. Once a request, so without a parser.

    >>> _address("https://s3.example:9000/bucket/key?X-Amz-Signature=1")
    ('https://s3.example:9000', '/bucket/key?X-Amz-Signature=1')
    """
    slash = url.find("/", url.find("://") + 3)
    return url[:slash], url[slash:]


def _host(url: str) -> str:
    return urlsplit(url).netloc
