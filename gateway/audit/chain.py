"""Verifies a journal: every record in its place, or the first that is not, by number and by what was done. Pure.

What a chain cannot tell by itself: a journal cut after a whole record, or rewritten from some record to its end,
is a good chain. A head that was noted elsewhere (`expected`) tells both.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

from gateway.audit.record import Head, Record, follow, genesis, is_whole, parse
from gateway.errors import JournalBroken

_NOWHERE = Head(0, b"")
"""A head that no record follows."""


class Fault(StrEnum):
    """What was done to a journal."""

    ALTERED = "altered"
    REMOVED = "removed"
    REORDERED = "reordered"
    INSERTED = "inserted"
    TRUNCATED = "truncated"
    WRONG_GENESIS = "wrong-genesis"
    FORGED = "forged"
    """A checkpoint that the log has not signed."""
    ROLLED_BACK = "rolled-back"
    """A checkpoint that covers less than one before it."""
    FORKED = "forked"
    """Two journals under one name: a signed checkpoint is of another journal."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The first bad record."""

    fault: Fault
    seq: int
    """The record's number; where it is missing, the number that it had."""
    message: str


@dataclass(frozen=True, slots=True)
class Report:
    """What is known of a journal after reading it up to its end or its first bad record."""

    instance: str
    """Whose journal it is; empty where its first record was not read."""
    count: int
    """How many good records were read."""
    head: Head
    """The last good place."""
    first: Record | None
    last: Record | None
    finding: Finding | None


def verify(lines: Iterable[bytes], *, instance: str | None = None, expected: Head | None = None) -> Report:
    """Read a journal from its first record and return the report of a whole one.

    Args:
        lines: The journal's lines, each with its newline, over all its segments.
        instance: Whose journal it must be.
        expected: A head known from elsewhere, which the journal must contain.

    Raises:
        JournalBroken: it is not whole; the message names the first bad record.
    """
    return require_whole(examine(lines, instance=instance, expected=expected))


def require_whole(report: Report) -> Report:
    """Return the report of a whole journal. Raises `JournalBroken`: it is of another."""
    if report.finding:
        hint = f"The {report.count} records before it are good; compare the rest with an archived copy."
        if report.finding.fault is Fault.TRUNCATED:
            hint += " A gateway that writes it now, or was killed and not started since, leaves a half-written end."
        raise JournalBroken(report.finding.message, hint=hint)
    return report


def examine(
    lines: Iterable[bytes],
    *,
    after: Head | None = None,
    instance: str | None = None,
    expected: Head | None = None,
) -> Report:
    """Read a journal, or what comes `after` a known head, up to its end or its first bad record.

    >>> examine([]).finding.message
    'The journal is truncated: it has no first record.'
    """
    rest = iter(lines)
    opening = next(rest, b"")
    owner, start = ("", after) if after else _opening(opening, instance)
    head, last, finding = start, b"", None
    for line in chain([opening] if opening else [], rest):
        following = follow(head, line)
        if following is None or _differs(following, expected):
            finding = _diagnose(head, line, rest)
            break
        head, last = following, line
    return Report(
        instance=owner,
        count=head.seq - start.seq,
        head=head,
        first=parse(opening) if last else None,
        last=parse(last),
        finding=finding or _missing_end(head, expected),
    )


def _opening(line: bytes, instance: str | None) -> tuple[str, Head]:
    """Return whose journal the first line opens, and the head that it has to follow (FORMAT.md, section 4)."""
    record = parse(line)
    try:
        event = record.read_event() if record else {}
        owner, started = event["app"]["uid"], event["time"]  # type: ignore[index]  # anything else is caught below
    except (LookupError, TypeError, JournalBroken):
        return "", _NOWHERE
    if not isinstance(owner, str) or not isinstance(started, int) or owner != (instance or owner):
        return "", _NOWHERE
    return owner, Head(0, genesis(owner, started))


def _differs(head: Head, expected: Head | None) -> bool:
    return expected is not None and head.seq == expected.seq and head.hash != expected.hash


def _missing_end(head: Head, expected: Head | None) -> Finding | None:
    if head.seq == 0:
        return Finding(Fault.TRUNCATED, 1, "The journal is truncated: it has no first record.")
    if expected and head.seq < expected.seq:
        return Finding(
            Fault.TRUNCATED,
            head.seq + 1,
            f"The journal is truncated: it ends at record {head.seq}, and record {expected.seq} was in it.",
        )
    return None


def _diagnose(head: Head, line: bytes, rest: Iterator[bytes]) -> Finding:
    """Say what was done, given the first line that does not stand where it should."""
    seq = head.seq + 1
    if not line.endswith(b"\n"):
        return Finding(Fault.TRUNCATED, seq, f"The journal is truncated: it ends in the middle of record {seq}.")
    record = parse(line) if is_whole(line) else None
    if record and record.seq > seq:
        return _gap(seq, record.seq, rest)
    if follow(head, next(rest, b"")):
        return Finding(Fault.INSERTED, seq, f"A line was inserted before record {seq}.")
    if record is None:
        return Finding(Fault.ALTERED, seq, f"Record {seq} was altered: its hash does not cover what stands there.")
    return _misplaced(head, record)


def _misplaced(head: Head, record: Record) -> Finding:
    """Say why a record that is whole in itself does not follow `head`."""
    seq = head.seq + 1
    if record.seq < seq:
        return Finding(Fault.INSERTED, seq, f"Record {record.seq} was inserted a second time, before record {seq}.")
    if seq == 1:
        return Finding(Fault.WRONG_GENESIS, 1, "Record 1 has a wrong genesis: it does not open this journal.")
    if record.prev == head.hash:
        return Finding(Fault.ALTERED, seq, f"Record {seq} was altered and sealed anew: its hash is not the expected.")
    return Finding(
        Fault.ALTERED, head.seq, f"Record {head.seq} was altered and sealed anew: record {seq} follows another."
    )


def _gap(seq: int, found: int, rest: Iterator[bytes]) -> Finding:
    """Say why record `found` stands where `seq` should."""
    later = (record.seq for record in map(parse, rest) if record)
    if seq in later:
        return Finding(Fault.REORDERED, seq, f"Record {seq} was reordered: it stands after record {found}.")
    gone = f"Record {seq} was" if found == seq + 1 else f"Records {seq} to {found - 1} were"
    return Finding(Fault.REMOVED, seq, f"{gone} removed: record {found} stands there.")
