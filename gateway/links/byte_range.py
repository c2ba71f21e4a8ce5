"""Reads a Range header into the bytes it means (RFC 9110 14), where GET is the only method that has ranges.

One range or none: a header that is malformed, in another unit, or asks for several ranges is ignored, as 14.2 allows,
and the answer is then the whole file with 200. Only a well-formed range that no byte satisfies is refused, with 416.
"""

import re
from dataclasses import dataclass

from gateway.errors import RangeNotSatisfiable

_MAX_CHARS = 256
_UNIT = re.compile(r"bytes=", re.IGNORECASE)
_INT_RANGE = re.compile(r"([0-9]+)-([0-9]*)")
_SUFFIX_RANGE = re.compile(r"-([0-9]+)")


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes `start` (inclusive) to `end` (exclusive) of a file of `size` bytes; never empty."""

    start: int
    end: int
    size: int

    @property
    def content_range(self) -> str:
        """The Content-Range header of a 206 (RFC 9110 14.4), whose last position is inclusive.

        >>> ByteRange(0, 500, 1234).content_range
        'bytes 0-499/1234'
        """
        return f"bytes {self.start}-{self.end - 1}/{self.size}"


def unsatisfied_range(size: int) -> str:
    """Return the Content-Range header of a 416 (RFC 9110 15.5.17).

    >>> unsatisfied_range(1234)
    'bytes */1234'
    """
    return f"bytes */{size}"


def parse_range(header: str | None, *, size: int) -> ByteRange | None:
    """Return the range that a GET asks for, or None where the whole file is to be sent.

    >>> parse_range("bytes=-500", size=1234)
    ByteRange(start=734, end=1234, size=1234)
    >>> parse_range("bytes=0-9, 20-29", size=1234) is None
    True

    Raises:
        RangeNotSatisfiable: it starts past the end, or is a suffix of no bytes.
    """
    spec = _single_spec(header)
    if matched := _INT_RANGE.fullmatch(spec):
        return _int_range(int(matched[1]), matched[2], size)
    if matched := _SUFFIX_RANGE.fullmatch(spec):
        return _suffix_range(int(matched[1]), size)
    return None


def _single_spec(header: str | None) -> str:
    """Return the one range in the header, else an empty text."""
    if header is None or len(header) > _MAX_CHARS or not (unit := _UNIT.match(header)):
        return ""
    # 5.6.1: empty elements of a list are passed over.
    specs = [spec for part in header[unit.end() :].split(",") if (spec := part.strip(" \t"))]
    return specs[0] if len(specs) == 1 else ""


def _int_range(first: int, last: str, size: int) -> ByteRange | None:
    if last and int(last) < first:
        return None  # 14.1.1: such a range is invalid, which is to be ignored, not unsatisfiable.
    if first >= size:
        raise _refusal(size)
    return ByteRange(first, min(int(last) + 1, size) if last else size, size)


def _suffix_range(length: int, size: int) -> ByteRange | None:
    if length == 0:
        raise _refusal(size)
    # 14.1.2: a suffix is satisfiable even in an empty file, and then no Content-Range can say it: the whole is sent.
    return ByteRange(max(0, size - length), size, size) if size else None


def _refusal(size: int) -> RangeNotSatisfiable:
    return RangeNotSatisfiable(
        f"The range has no byte of the file's {size:,}.", hint="Ask for a range inside the file."
    )
