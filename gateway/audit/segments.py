"""A journal on disk: a folder of segments, each named by the number of its first record. Reads only."""

import os
import re
import sys
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from gateway.audit.record import Head, parse

SUFFIX = ".ndjson"
_SEQ = re.compile(rb'\{"seq":([0-9]{1,16}),')


def segment_name(first: int) -> str:
    """Return the file name of the segment whose first record is number `first`.

    >>> segment_name(1)
    '0000000000000001.ndjson'
    """
    return f"{first:016d}{SUFFIX}"


def first_seq(segment: Path) -> int:
    """Return the number of the segment's first record, from its name."""
    return int(segment.name.removesuffix(SUFFIX))


def list_segments(folder: Path) -> list[Path]:
    """Return the journal's segments in order."""
    return sorted(folder.glob("[0-9]" * 16 + SUFFIX))


def list_journals(path: Path) -> list[Path]:
    """Return the journals at `path`: itself if it is one (a folder or a single segment), else those in it."""
    if path.is_file() or list_segments(path):
        return [path]
    return sorted(folder for folder in path.glob("*") if list_segments(folder))


def read_lines(journal: Path) -> Iterator[bytes]:
    """Yield every line of a journal with its newline, over all its segments."""
    for segment in [journal] if journal.is_file() else list_segments(journal):
        with segment.open("rb") as file:
            yield from file


def last_head(segment: Path) -> Head | None:
    """Return the head that the segment's last line claims, if that line is a record."""
    with segment.open("rb") as file:
        record = parse(next(iter(deque(file, maxlen=1)), b""))
    return record.head if record else None


def read_after(folder: Path, after: int, count: int) -> list[bytes]:
    """Return up to `count` lines of the records numbered above `after`.

    It takes a few reads to find the place, however long the journal is.
    """
    segments = list_segments(folder)
    start = max(0, bisect_right(segments, after + 1, key=first_seq) - 1)
    lines: list[bytes] = []
    for segment in segments[start:]:
        with segment.open("rb") as file:
            file.seek(_find(file, after + 1))
            lines.extend(islice(file, count - len(lines)))
        if len(lines) >= count:
            break
    return lines


def _find(file: BinaryIO, seq: int) -> int:
    """Return the offset of the first record numbered `seq` or more, by bisection over the bytes.

    Invariant: the line that starts at `low` is numbered below `seq` or is the answer; any line that starts at
    or after `high` is numbered `seq` or more.
    """
    low, high = 0, os.fstat(file.fileno()).st_size
    while low < high:
        middle = (low + high) // 2
        start = _line_start(file, middle)
        if start >= high or _seq_at(file, start) >= seq:
            high = middle
        else:
            low = middle + 1
    return _line_start(file, low)


def _line_start(file: BinaryIO, offset: int) -> int:
    """Return where the first line starts that starts at or after `offset`."""
    if offset == 0:
        return 0
    file.seek(offset - 1)
    file.readline()
    return file.tell()


def _seq_at(file: BinaryIO, offset: int) -> int:
    file.seek(offset)
    found = _SEQ.match(file.read(32))
    # A line that is still being written stands after all that are durable.
    return int(found[1]) if found else sys.maxsize
