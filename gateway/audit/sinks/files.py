"""Events as NDJSON: into a file, which a log shipper follows, or onto the standard output."""

import sys
from pathlib import Path
from typing import BinaryIO

from anyio import to_thread

from gateway.audit.sinks.cursor import append_whole
from gateway.audit.sinks.target import Batch, Encoder
from gateway.errors import SinkUnavailable


class FileTarget:
    """Appends each batch whole, and syncs it. The file is opened anew each time, so that it may be rotated.

    Args:
        path: The file; its folder must be there.
        encode: How an event is written.
    """

    def __init__(self, path: Path, encode: Encoder) -> None:
        self._path = path
        self._encode = encode

    async def send(self, batch: Batch) -> None:
        """Append the batch. Raises `SinkUnavailable`: nothing was."""
        try:
            await to_thread.run_sync(append_whole, self._path, _lines(batch, self._encode), abandon_on_cancel=True)
        except OSError as error:
            raise SinkUnavailable(f"{self._path} cannot be written: {error.strerror}.") from error

    async def close(self) -> None:
        """Do nothing: no file stays open."""


class StdoutTarget:
    """Writes to the standard output.

    Args:
        encode: How an event is written.
        out: Where to; the standard output if it is not given.
    """

    def __init__(self, encode: Encoder, out: BinaryIO | None = None) -> None:
        self._encode = encode
        self._out = out

    async def send(self, batch: Batch) -> None:
        """Write the batch. Raises `SinkUnavailable`: nobody reads any more, or some of it was not written."""
        try:
            await to_thread.run_sync(self._write, _lines(batch, self._encode), abandon_on_cancel=True)
        except (OSError, ValueError) as error:
            raise SinkUnavailable("The standard output is closed.") from error

    def _write(self, data: bytes) -> None:
        out = self._out or sys.stdout.buffer
        out.write(data)
        out.flush()

    async def close(self) -> None:
        """Do nothing: the standard output is not ours to close."""


def _lines(batch: Batch, encode: Encoder) -> bytes:
    return b"".join(encode(record) + b"\n" for record in batch.records)
