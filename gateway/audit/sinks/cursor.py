"""How far a sink has come, and what it would not take: two small files that survive a kill."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from gateway.audit.record import Record
from gateway.errors import SinkUnavailable


@dataclass(frozen=True, slots=True)
class Place:
    """Everything up to record `seq` was sent, or is a dead letter."""

    seq: int = 0
    dead: int = 0
    """How many dead letters there are."""


class Cursor:
    """A sink's place, in `<folder>/<name>.json`, and its dead letters, in `<folder>/<name>.dead.ndjson`.

    It is written after the sending: a kill in between sends a batch twice, and never loses one.

    Args:
        folder: Where cursors of one journal are; made, with mode 0700, if it is not there.
        name: The sink's.

    Raises:
        SinkUnavailable: it cannot be read. It is not guessed: to begin anew would be a flood.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / f"{name}.json"
        self.dead_letters = folder / f"{name}.dead.ndjson"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.place = Place(**json.loads(self._path.read_bytes())) if self._path.exists() else Place()
        except (OSError, ValueError, TypeError) as error:
            hint = "Remove it to send the whole journal again; events keep their ids."
            raise SinkUnavailable(f"The sink's cursor {self._path} cannot be read.", hint=hint) from error

    def advance(self, seq: int) -> None:
        """Note that everything up to `seq` was dealt with. Raises `SinkUnavailable`: it could not be noted."""
        self._write(Place(seq, self.place.dead))

    def bury(self, records: Sequence[Record], reason: str) -> None:
        """Keep records that the sink will never take, with the reason, and go on behind them.

        Raises:
            SinkUnavailable: they could not be kept, and so the place stays.
        """
        letters = b"".join(
            b'{"seq":%d,"reason":%b,"event":%b}\n' % (one.seq, json.dumps(reason).encode(), one.event)
            for one in records
        )
        with _as_unavailable(self.dead_letters):
            append_whole(self.dead_letters, letters)
        self._write(Place(records[-1].seq, self.place.dead + len(records)))

    def _write(self, place: Place) -> None:
        fresh = self._path.with_suffix(".new")
        with _as_unavailable(self._path):
            with fresh.open("wb") as file:
                file.write(json.dumps(asdict(place)).encode())
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
        self.place = place


def append_whole(path: Path, data: bytes) -> None:
    """Append to a file, with mode 0600 if it is new, and sync; cut what was written of it if that fails.

    Raises:
        OSError: nothing was appended.
    """
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        size = os.fstat(file).st_size
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(file, rest) :]
            os.fsync(file)
        except OSError:
            os.ftruncate(file, size)
            raise
    finally:
        os.close(file)


@contextmanager
def _as_unavailable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SinkUnavailable(f"{path} cannot be written: {error.strerror}.") from error
