"""Writes a journal's segments. What `append` returned for is on disk; what it raised for is in no segment."""

import errno
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from gateway.audit.chain import examine
from gateway.audit.record import EventJson, Head, seal
from gateway.audit.segments import last_head, list_segments, segment_name
from gateway.errors import JournalBroken, JournalUnavailable

SEGMENT_BYTES = 64 << 20
"""The size from which on a segment is followed by a new one."""

_PROBE_BYTES = 4096

Sync = Callable[[int], None]
"""Brings what was written to a file descriptor to the disk, or raises OSError."""

data_sync: Sync = getattr(os, "fdatasync", os.fsync)
"""On Linux fdatasync, which brings the file's new size along and leaves only its times behind."""


@dataclass(frozen=True, slots=True)
class TornTail:
    """The half-written end that a killed process left; it was acknowledged to nobody."""

    size: int
    """Bytes."""
    sha256: str


class JournalWriter:
    """The one writer of a journal's folder, under an exclusive lock until `close`. It blocks; for one thread.

    Args:
        folder: The journal; made, with mode 0700, if it is not there.
        genesis: What the first record follows, should the journal be new.
        segment_bytes: See `SEGMENT_BYTES`.
        sync: How bytes are brought to the disk.

    Raises:
        JournalUnavailable: another process writes this journal, or the folder cannot be used.
        JournalBroken: the newest segment was changed since it was written.
    """

    def __init__(
        self, folder: Path, *, genesis: bytes, segment_bytes: int = SEGMENT_BYTES, sync: Sync = data_sync
    ) -> None:
        self.head = Head(0, genesis)
        """The last durable place."""
        self.torn: TornTail | None = None
        """What was cut off when the journal was opened."""
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._sync = sync
        self._segment: _Segment | None = None
        with _as_unavailable(folder):
            _make_folder(folder)
            self._lock: int | None = _take_lock(folder)
            try:
                self._resume()
            except BaseException:
                self.close()
                raise

    def append(self, events: Sequence[EventJson]) -> None:
        """Seal the events in their order, and return once all of them are on disk.

        Raises:
            JournalUnavailable: none of them is in the journal. A later call may work again.
        """
        lines, head = [], self.head
        for event in events:
            line, head = seal(head, event)
            lines.append(line)
        with _as_unavailable(self._folder):
            self._current_segment().append(b"".join(lines))
        self.head = head

    def probe(self) -> None:
        """Write, sync and remove a small file beside the segments.

        Raises:
            JournalUnavailable: that failed, so an event could not be written now either.
        """
        path = self._folder / "probe"
        with _as_unavailable(self._folder):
            if self._segment:
                self._segment.check()
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                _write_all(file, bytes(_PROBE_BYTES))
                self._sync(file)
            finally:
                os.close(file)
                path.unlink()

    def close(self) -> None:
        """Let go of the journal. Closing twice does no harm."""
        if self._segment:
            self._segment.close()
            self._segment = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _current_segment(self) -> "_Segment":
        """Return the segment that takes the next record: the open one, or a new one where it is full."""
        if self._segment is None or self._segment.size >= self._segment_bytes:
            fresh = _Segment(self._folder / segment_name(self.head.seq + 1), size=0, sync=self._sync)
            if self._segment:
                self._segment.close()
            self._segment = fresh
        return self._segment

    def _resume(self) -> None:
        """Find the place to go on from, and cut what a kill left half written behind it."""
        segments = list_segments(self._folder)
        if not segments:
            return
        *older, newest = segments
        anchor = last_head(older[-1]) if older else None
        content = newest.read_bytes()
        whole = content.rfind(b"\n") + 1  # a kill cuts a write short: it leaves a line without its end, and no more
        if whole:
            report = examine(BytesIO(content[:whole]), after=anchor)
            if report.finding:
                raise JournalBroken(
                    f"The audit journal {self._folder} was changed. {report.finding.message}",
                    hint="Keep the folder as evidence, and start with an empty one.",
                )
            anchor = report.head
        self.head = anchor or self.head
        self._segment = _Segment(newest, size=whole, sync=self._sync)
        if whole < len(content):
            self.torn = TornTail(len(content) - whole, hashlib.sha256(content[whole:]).hexdigest())


class _Segment:
    """An open segment, of which the first `size` bytes are durable and count."""

    def __init__(self, path: Path, *, size: int, sync: Sync) -> None:
        self.size = size
        self._path = path
        self._sync = sync
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            _sync_folder(path.parent)
            self.check()
        except BaseException:
            os.close(self._file)
            raise

    def append(self, data: bytes) -> None:
        """Write and sync; on failure, take back what was written, and raise OSError."""
        self.check()
        try:
            _write_all(self._file, data)
            self._sync(self._file)
        except OSError:
            # After a failed sync the kernel may call these pages clean though the disk never saw them (PostgreSQL's
            # "fsyncgate"), so they never count: they are cut here, and a later event is written anew.
            with suppress(OSError):  # the next `check` cuts again
                os.ftruncate(self._file, self.size)
            raise
        self.size += len(data)

    def check(self) -> None:
        """Cut what does not count; raise OSError if the file is no longer the one that we wrote."""
        ours = os.fstat(self._file)
        if not os.path.samestat(ours, self._path.stat()) or ours.st_size < self.size:
            raise OSError(errno.ESTALE, f"{self._path.name} was replaced or cut")
        if ours.st_size > self.size:
            os.ftruncate(self._file, self.size)
            self._sync(self._file)

    def close(self) -> None:
        os.close(self._file)


@contextmanager
def _as_unavailable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise JournalUnavailable(
            f"The audit journal {folder} cannot be written: {error.strerror}.",
            hint="Nothing is granted until it can be: see to the disk's space, health and permissions.",
        ) from error


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
        _sync_folder(folder.parent)


def _take_lock(folder: Path) -> int:
    file = os.open(folder / "lock", os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(file)
        raise JournalUnavailable(
            f"The audit journal {folder} is being written by another process.",
            hint="Give each running gateway an instance name of its own (audit.instance).",
        ) from error
    return file


def _sync_folder(folder: Path) -> None:
    """Make the names in the folder durable: a new file's fsync does not."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _write_all(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]
