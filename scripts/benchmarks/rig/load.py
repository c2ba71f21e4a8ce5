"""Loads a server with many keep-alive clients, each of which asks again once it was answered. A process of its own.

A client is a bare `asyncio.Protocol` on uvloop that looks at a status and a length, so that the server is what bounds.

    python load.py '{"url": "http://127.0.0.1:8000/", "clients": 50, "seconds": 2}'
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import uvloop


@dataclass(frozen=True, slots=True)
class Call:
    """What every client asks, over and over."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""

    def encode(self) -> bytes:
        """Return the request as it goes over the wire."""
        parts = urlsplit(self.url)
        target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        headers = {"host": parts.netloc, **self.headers, "content-length": str(len(self.body.encode()))}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"{self.method} {target} HTTP/1.1\r\n{lines}\r\n{self.body}".encode()


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a server did under load."""

    answers: int
    errors: int
    seconds: float
    median: float
    """Seconds from a request to the end of its answer."""
    p99: float
    cpu: float
    """The share of a core that the load itself took: near 1 it measures itself."""

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds

    @classmethod
    def of(cls, times: list[float], *, errors: int, seconds: float, cpu: float) -> Self:
        """Sum up the times of all answers."""
        times.sort()
        middle, late = (times[int(len(times) * share)] if times else 0.0 for share in (0.5, 0.99))
        return cls(len(times), errors, seconds, middle, late, cpu)


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, request: bytes, tally: list[float], errors: list[str]) -> None:
        self._request = request
        self._tally = tally
        self._errors = errors
        self._buffer = b""
        self._sent = 0.0
        self.closed = False
        self.busy = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def ask(self) -> None:
        """Send the request once more."""
        self.busy = True
        self._sent = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Ask again when the answer is whole."""
        data = self._buffer + data if self._buffer else data
        end = data.find(b"\r\n\r\n")
        at = data.find(b"content-length: ", 0, end)
        if end < 0 or len(data) < end + 4 + int(data[at + 16 : data.find(b"\r", at)]):
            self._buffer = data
            return
        self._buffer = b""
        self._tally.append(time.perf_counter() - self._sent)
        if not data.startswith(b"HTTP/1.1 200"):
            self._errors.append(data[:200].decode(errors="replace"))
        self.busy = False
        if not self.closed:
            self.ask()

    def connection_lost(self, _: Exception | None) -> None:
        """Count a connection that the server cut."""
        if self.busy:
            self._errors.append("connection lost")

    def close(self) -> None:
        """Ask no more."""
        self.closed = True


async def load(call: Call, clients: int, seconds: float) -> Loaded:
    """Connect all clients, let them ask for so long, and wait for the last answers."""
    tally: list[float] = []
    errors: list[str] = []
    request, parts, loop = call.encode(), urlsplit(call.url), asyncio.get_running_loop()
    made = [
        (await loop.create_connection(lambda: Client(request, tally, errors), parts.hostname, parts.port))[1]
        for _ in range(clients)
    ]
    started, worked = time.perf_counter(), time.process_time()
    for client in made:
        client.ask()
    await asyncio.sleep(seconds)
    for client in made:
        client.close()
    taken, cpu = time.perf_counter() - started, time.process_time() - worked
    done = list(tally)
    while any(client.busy for client in made) and time.perf_counter() < started + 2 * seconds + 10:  # noqa: ASYNC110 -- polled once, after the measurement
        await asyncio.sleep(0.01)
    if errors:
        print(errors[0], file=sys.stderr)
    return Loaded.of(done, errors=len(errors), seconds=taken, cpu=cpu / taken)


def under_load(call: Call, *, clients: int, seconds: float) -> Loaded:
    """Load a server from a process of its own."""
    asked = json.dumps({"call": asdict(call), "clients": clients, "seconds": seconds})
    command = [sys.executable, str(Path(__file__))]
    done = subprocess.run(command, input=asked, stdout=subprocess.PIPE, text=True, check=True)
    return Loaded(**json.loads(done.stdout))


def main() -> None:
    """Load as stdin says, and print what came of it."""
    asked = json.load(sys.stdin)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        loaded = runner.run(load(Call(**asked["call"]), asked["clients"], asked["seconds"]))
    print(json.dumps(asdict(loaded)))


if __name__ == "__main__":
    main()
