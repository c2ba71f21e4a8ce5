"""HTTP/1.1 (RFC 9112) on a socket, as far as S3 speaks it: bodies of known length go from and to buffers of the caller.

Why not a library: processor time bounds a transfer on a fast network. In it, a short file costs little more than half
of what `http.client` takes for it, and a long one a fifth of what httpx takes (README.md says what was measured).
"""

import socket
import ssl
from collections.abc import Iterable, Mapping
from contextlib import suppress
from http import HTTPStatus
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

from gateway.client.tls import tls_context

TIMEOUT_SECONDS = 60.0
MAX_HEAD_BYTES = 64 << 10
MAX_SMALL_BYTES = 64 << 10
"""More than S3 says in any answer but an object; a longer one is cut."""

_PORTS = {"http": 80, "https": 443}


class WireError(OSError):
    """What came is no HTTP, or ends too early."""


class Answer:
    """A response, whose body is yet to be read."""

    def __init__(self, wire: "Wire", status: int, headers: Mapping[str, str], rest: memoryview) -> None:
        self.status = status
        self.headers = headers
        """By their names in lower case."""
        self._wire = wire
        self._rest = rest
        bodiless = status in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
        length = "0" if bodiless else headers.get("content-length", "")
        self.length = int(length) if length.isdecimal() else None
        """Bytes of the body that were not read yet; None if S3 does not say how many there are."""

    @property
    def reusable(self) -> bool:
        """Whether the connection may carry another request."""
        return self.length == 0 and self.headers.get("connection", "").lower() != "close"

    def readinto(self, buffer: memoryview) -> int:
        """Read some of the body into the buffer, at least one byte, and return how many.

        Raises:
            WireError: the body ends too early.
            OSError: the connection failed.
        """
        if self.length is not None:
            buffer = buffer[: self.length]
        size = self._some(buffer)
        if not size:
            raise WireError("the connection was closed early")
        if self.length is not None:
            self.length -= size
        return size

    def small(self) -> bytes:
        """Return the whole body, or as much as `MAX_SMALL_BYTES` of it."""
        if self.length is None:
            return self._unframed()
        body = memoryview(bytearray(min(self.length, MAX_SMALL_BYTES)))
        filled = 0
        while filled < len(body):
            filled += self.readinto(body[filled:])
        return bytes(body)

    def _unframed(self) -> bytes:
        """Read to the end of the chunks (RFC 9112 7.1), or of the connection. Only refusals come so."""
        body = memoryview(bytearray(MAX_SMALL_BYTES))
        filled = 0
        while filled < len(body) and not body[:filled].tobytes().endswith(b"\r\n0\r\n\r\n"):
            size = self._some(body[filled:])
            if not size:
                break
            filled += size
        return bytes(body[:filled])

    def _some(self, buffer: memoryview) -> int:
        """Take what came along with the head first."""
        if not self._rest:
            return self._wire.receive(buffer)
        size = min(len(self._rest), len(buffer))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


class Wire:
    """One connection to the server of a URL, or through the proxy that the environment names for it.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, parts: SplitResult) -> None:
        self._host = parts.netloc
        self._head = bytearray(MAX_HEAD_BYTES)
        self._socket = _connect(parts)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def interrupt(self) -> None:
        """Wake up whoever waits for the socket, in whatever thread, with its end."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def exchange(
        self, method: str, target: str, headers: Mapping[str, str], body: Iterable[bytes | memoryview] = ()
    ) -> Answer:
        """Send a request, and return the answer once its head is there.

        Raises:
            WireError: what came is no HTTP.
            OSError: the connection failed.
        """
        lines = [f"{method} {target} HTTP/1.1", f"host: {self._host}", *(f"{n}: {v}" for n, v in headers.items())]
        # S3 may refuse before it has read the body, and close: then its answer says more than our broken pipe.
        with suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
            for piece in body:
                self._socket.sendall(piece)
        return self._answer()

    def receive(self, buffer: memoryview) -> int:
        """Read what is there into the buffer."""
        return self._socket.recv_into(buffer)

    def _answer(self) -> Answer:
        filled = 0
        while True:
            filled, end = self._fill_head(filled)
            status, headers = _parse(bytes(self._head[:end]))
            rest = self._head[end + 4 : filled]
            if status >= HTTPStatus.OK:
                return Answer(self, status, headers, memoryview(rest))
            filled = len(rest)  # an interim answer (RFC 9110 15.2)
            self._head[:filled] = rest

    def _fill_head(self, filled: int) -> tuple[int, int]:
        """Read to the end of a head; return how many bytes there are, and where it ends."""
        view = memoryview(self._head)
        while (end := self._head.find(b"\r\n\r\n", 0, filled)) < 0:
            size = self.receive(view[filled:]) if filled < MAX_HEAD_BYTES else 0
            if not size:
                raise WireError("the answer has no head")
            filled += size
        return filled, end


def _connect(parts: SplitResult) -> socket.socket:
    host = parts.hostname or ""
    secure = parts.scheme == "https"
    proxy = getproxies().get("https") if secure and not proxy_bypass(host) else None
    if not proxy:
        return _dial(host, parts.port or _PORTS[parts.scheme], secure=secure)
    via = urlsplit(proxy)
    relay = _dial(via.hostname or "", via.port or _PORTS["http"], secure=False)
    try:
        _tunnel(relay, f"{host}:{parts.port or _PORTS['https']}")
        return _secured(relay, host)
    except BaseException:
        relay.close()
        raise


def _dial(host: str, port: int, *, secure: bool) -> socket.socket:
    opened = socket.create_connection((host, port), TIMEOUT_SECONDS)
    try:
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return _secured(opened, host) if secure else opened
    except BaseException:
        opened.close()
        raise


def _secured(opened: socket.socket, host: str) -> ssl.SSLSocket:
    return tls_context().wrap_socket(opened, server_hostname=host)


def _tunnel(relay: socket.socket, target: str) -> None:
    """Ask a proxy for a way through (RFC 9110 9.3.6)."""
    relay.sendall(f"CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n\r\n".encode("ascii"))
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = relay.recv(1)  # nothing of what follows the head may be taken
        if not byte or len(head) > MAX_HEAD_BYTES:
            raise WireError("the proxy gave no answer")
        head += byte
    status, _ = _parse(head.removesuffix(b"\r\n\r\n"))
    if status != HTTPStatus.OK:
        raise WireError(f"the proxy answered {status}")


def _parse(head: bytes) -> tuple[int, dict[str, str]]:
    r"""Return the status and the headers of a head without its last empty line.

    >>> _parse(b"HTTP/1.1 200 OK\r\nETag: \"5d41\"\r\nContent-Length: 5")
    (200, {'etag': '"5d41"', 'content-length': '5'})
    """
    first, *lines = head.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    if version not in {"HTTP/1.1", "HTTP/1.0"} or not rest[:3].isdecimal():
        raise WireError("what came is no HTTP/1.1")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    if version == "HTTP/1.0":
        headers["connection"] = "close"
    return int(rest[:3]), headers
