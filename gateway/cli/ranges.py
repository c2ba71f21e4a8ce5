"""Byte ranges as people write them: `A-B`, `A-` and `-LAST`, counted as in HTTP."""

import re

from gateway.errors import InvalidInput, RangeNotSatisfiable

_RANGE = re.compile(r"([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18})")


def byte_range(text: str, size: int) -> tuple[int, int]:
    """Return the first byte and the one after the last, of a file of `size` bytes (RFC 9110 14.1.2).

    >>> byte_range("0-99", 1000), byte_range("990-", 1000), byte_range("-5", 1000)
    ((0, 100), (990, 1000), (995, 1000))

    Raises:
        InvalidInput: it is no range.
        RangeNotSatisfiable: the file has none of these bytes.
    """
    found = _RANGE.fullmatch(text)
    if found is None or (found[2] and int(found[2]) < int(found[1])):
        raise InvalidInput(f"{text[:40]!r} is no range of bytes.", hint="Write 0-99, 100- or -500.")
    start = max(0, size - int(found[3])) if found[3] else int(found[1])
    end = min(int(found[2]) + 1, size) if found[2] else size
    if start >= end:
        raise RangeNotSatisfiable(f"A file of {size:,} bytes has no bytes {text}.")
    return start, end


def closed_range(text: str) -> tuple[int, int]:
    """Return the first and the last byte of a range that names both: it is for a file whose size nobody looks up.

    >>> closed_range("0-99")
    (0, 99)

    Raises:
        InvalidInput: it is no such range.
    """
    found = _RANGE.fullmatch(text)
    if found is None or not found[2] or int(found[2]) < int(found[1]):
        raise InvalidInput(f"{text[:40]!r} is no range of bytes with two ends.", hint="Write it like 0-99.")
    return int(found[1]), int(found[2])
