"""One record of the journal: an event in its one encoding, numbered, and chained to the record before. Pure.

The format is specified in FORMAT.md beside this file; the section numbers here are its own.
"""

import hashlib
import json
import re
from binascii import unhexlify
from dataclasses import dataclass
from typing import NewType

from gateway.errors import JournalBroken

EventJson = NewType("EventJson", bytes)
"""An event in its one encoding, as `canonical.encode_event` returns it."""

HASH_BYTES = 64
"""A SHA-256 in lower-case hex."""

_SEAL_BYTES = len(b',"hash":""}\n') + HASH_BYTES
_HASH_AT = slice(-HASH_BYTES - len(b'"}\n'), -len(b'"}\n'))
_LINE = re.compile(
    rb'\{"seq":([1-9][0-9]{0,15}),"prev":"([0-9a-f]{64})","event":(\{.*\}),"hash":"([0-9a-f]{64})"\}\n',
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Head:
    """A place in the chain: everything up to record `seq` is covered by `hash`."""

    seq: int
    """0 before the first record."""
    hash: bytes
    """64 hex digits; before the first record, the genesis."""


@dataclass(frozen=True, slots=True)
class Record:
    """A line taken apart. That it has this shape says nothing yet about its hash or its place."""

    seq: int
    prev: bytes
    event: EventJson
    hash: bytes

    @property
    def head(self) -> Head:
        """The place that this record claims."""
        return Head(self.seq, self.hash)

    def read_event(self) -> dict[str, object]:
        """Return the event.

        Raises:
            JournalBroken: it is no JSON, so we did not write it.
        """
        try:
            return dict(json.loads(self.event))
        except (ValueError, RecursionError) as error:
            raise JournalBroken(f"Record {self.seq} was altered: its event is no JSON.") from error


def genesis(instance: str, started_ms: int) -> bytes:
    """Return what the first record of a journal follows (section 4), in hex.

    Args:
        instance: The instance whose journal it is.
        started_ms: The first event's `time`, in milliseconds since 1970 UTC.

    >>> genesis("gateway-1", 0)[:16]
    b'3ade72a39dfd6de5'
    """
    return _digest(f"gateway journal v1\n{instance}\n{started_ms}\n".encode())


def seal(head: Head, event: EventJson) -> tuple[bytes, Head]:
    """Return the line that follows `head`, with its newline, and the head that it makes (section 3)."""
    covered = b"%b%b" % (_prefix(head), event)
    digest = _digest(covered)
    return b"%b%b" % (covered, _suffix(digest)), Head(head.seq + 1, digest)


def follow(head: Head, line: bytes) -> Head | None:
    """Return the head that `line` makes if it is whole and follows `head`, else None.

    This is the whole check, and the quick one: nothing is parsed, since the hash covers every byte before it.
    """
    covered = line[:-_SEAL_BYTES]
    digest = _digest(covered)
    if line[-_SEAL_BYTES:] != _suffix(digest) or not covered.startswith(_prefix(head)):
        return None
    return Head(head.seq + 1, digest)


def entry_of(line: bytes) -> bytes:
    """Return a whole line's hash as the 32 bytes that are its entry in the tree (section 7)."""
    return unhexlify(line[_HASH_AT])


def parse(line: bytes) -> Record | None:
    """Return the line's parts if it has the shape of a record, whether or not its hash is right."""
    found = _LINE.fullmatch(line)
    return Record(int(found[1]), found[2], EventJson(found[3]), found[4]) if found else None


def is_whole(line: bytes) -> bool:
    """Tell whether the line's own hash covers it, wherever it stands."""
    return line[-_SEAL_BYTES:] == _suffix(_digest(line[:-_SEAL_BYTES]))


def _prefix(head: Head) -> bytes:
    return b'{"seq":%d,"prev":"%b","event":' % (head.seq + 1, head.hash)


def _suffix(digest: bytes) -> bytes:
    return b',"hash":"%b"}\n' % digest


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()
