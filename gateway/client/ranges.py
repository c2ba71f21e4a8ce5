"""Many ranges of many files at once: neighbours in one request, the others in parallel."""

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from gateway.client.remote import RemoteObject
from gateway.envelope import SEGMENT_BYTES

_THREADS = 8
_MAX_RUN_BYTES = 16 << 20
"""Ranges are joined up to this size, so that long ones still come in parallel."""


@dataclass(slots=True)
class _Run:
    """Neighbouring ranges of one file, read together."""

    content: RemoteObject
    start: int
    end: int
    members: list[tuple[int, int, int]] = field(default_factory=list)
    """Which range it is, and from where to where."""

    def read(self) -> list[tuple[int, bytes | Exception]]:
        try:
            data = self.content.read(self.start, self.end)
        except Exception as error:  # noqa: BLE001 -- each range has its own end, good or bad
            return [(place, error) for place, _, _ in self.members]
        return [(place, data[start - self.start : end - self.start]) for place, start, end in self.members]


def read_ranges(
    contents: Sequence[RemoteObject | Exception], starts: Sequence[int | None], ends: Sequence[int | None]
) -> list[bytes | Exception]:
    """Return the bytes of each range, or why there are none. Positions are as in slices: negative from the end."""
    found: list[bytes | Exception] = [one if isinstance(one, Exception) else b"" for one in contents]
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="gateway-ranges") as pool:
        for results in pool.map(_Run.read, _runs(contents, starts, ends)):
            for place, data in results:
                found[place] = data
    return found


def _runs(
    contents: Sequence[RemoteObject | Exception], starts: Sequence[int | None], ends: Sequence[int | None]
) -> list[_Run]:
    members: dict[RemoteObject, list[tuple[int, int, int]]] = defaultdict(list)
    for place, (content, start, end) in enumerate(zip(contents, starts, ends, strict=True)):
        if not isinstance(content, Exception):
            first, last, _ = slice(start, end).indices(content.file.size)
            members[content].append((first, max(first, last), place))
    return [run for content, ranges in members.items() for run in _joined(content, sorted(ranges))]


def _joined(content: RemoteObject, members: Sequence[tuple[int, int, int]]) -> list[_Run]:
    """Join what lies in the same segments or next to each other."""
    runs: list[_Run] = []
    for start, end, place in members:
        last = runs[-1] if runs else None
        if last and start <= last.end + SEGMENT_BYTES and end - last.start <= _MAX_RUN_BYTES:
            last.end = max(last.end, end)
        else:
            last = _Run(content, start, end)
            runs.append(last)
        last.members.append((place, start, end))
    return runs
