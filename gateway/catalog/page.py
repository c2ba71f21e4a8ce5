"""One manifest page as canonical bytes: equal pages have equal bytes, whose SHA-256 names the page.

FORMAT.md beside this file specifies the layout. It stores columns, so that each is read in one call and compresses
well. Every field has one encoding, hence `encode(decode(b)) == b` for all bytes that `decode` accepts.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from gateway.errors import IntegrityError, InvalidInput
from gateway.model import FileEntry

MAX_PAGE_BYTES = 2 << 20
"""More than the largest page: an index of 1,024 paths of 1,024 bytes, and 48 bytes of the rest each."""

_MAGIC = b"GMP"
_VERSION = 1
_HEADER = struct.Struct(">3sB1sII")
_SHA256_BYTES = 32
_KEY_CHECK_BYTES = 16
_LEAF_ROW = 8 + 4 + _SHA256_BYTES + _KEY_CHECK_BYTES
_INDEX_ROW = 8 + 8 + _SHA256_BYTES


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page is stored. It is no part of any page, so that a digest says nothing of storage."""

    pack: str
    """`<push id>/<hex SHA-256 of the pack>`."""
    start: int = 0
    size: int | None = None
    """Bytes; None for all of the pack from `start` on."""


@dataclass(frozen=True, slots=True)
class Child:
    """What an index page says of a page below it."""

    first: str
    """The first path below it."""
    file_count: int
    total_bytes: int
    digest: str
    """Hex SHA-256 of the page."""
    place: Place | None = field(default=None, compare=False)
    """Where it is stored, if that is known."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A page of files, sorted by path as UTF-8 bytes, which is Python's order of strings as well."""

    entries: tuple[FileEntry, ...]


@dataclass(frozen=True, slots=True)
class Index:
    """A page of pages, sorted by their first paths."""

    children: tuple[Child, ...]


Page = Leaf | Index


def encode(page: Page) -> bytes:
    r"""Return the page's canonical bytes.

    >>> encode(Leaf(()))
    b'GMP\x01L\x00\x00\x00\x00\x00\x00\x00\x00'

    Raises:
        InvalidInput: paths are not sorted or not distinct, or a field does not fit its column.
    """
    try:
        encoded = _encode_leaf(page.entries) if isinstance(page, Leaf) else _encode_index(page.children)
    except (ValueError, struct.error) as error:
        raise InvalidInput(f"A manifest page cannot hold these entries: {error}.") from error
    if len(encoded) > MAX_PAGE_BYTES:
        raise InvalidInput(f"A manifest page of {len(encoded):,} bytes is over the limit of {MAX_PAGE_BYTES:,}.")
    return encoded


def decode(encoded: bytes) -> Page:
    """Return the page that these bytes are.

    >>> decode(encode(Leaf(())))
    Leaf(entries=())

    Raises:
        IntegrityError: they are no page, one of another format version, or not its canonical bytes.
    """
    try:
        return _decode(encoded)
    except (ValueError, struct.error) as error:
        raise IntegrityError(f"These {len(encoded):,} bytes are no manifest page: {error}.") from error


def page_size(encoded: bytes) -> int:
    """Return how many bytes the page at the start of these has, by its own header.

    Raises:
        IntegrityError: there is none, or not all of it.
    """
    if len(encoded) < _HEADER.size:
        raise IntegrityError(f"These {len(encoded):,} bytes are no manifest page: they are too few.")
    _, _, kind, count, text_size = _HEADER.unpack_from(encoded)
    size = _HEADER.size + int(text_size) + int(count) * (_LEAF_ROW if kind == b"L" else _INDEX_ROW)
    if size > len(encoded):
        raise IntegrityError(f"These {len(encoded):,} bytes are no manifest page: they break off.")
    return size


def _encode_leaf(entries: Sequence[FileEntry]) -> bytes:
    paths = [entry.path for entry in entries]
    _check_sorted(paths)
    return b"".join(
        (
            _head(b"L", len(entries), paths + [entry.object_id for entry in entries]),
            struct.pack(f">{len(entries)}Q", *[entry.size for entry in entries]),
            struct.pack(f">{len(entries)}I", *[entry.epoch for entry in entries]),
            _unhex([entry.sha256 for entry in entries], _SHA256_BYTES),
            _unhex([entry.key_check for entry in entries], _KEY_CHECK_BYTES),
        )
    )


def _encode_index(children: Sequence[Child]) -> bytes:
    firsts = [child.first for child in children]
    _check_children(firsts)
    return b"".join(
        (
            _head(b"I", len(children), firsts),
            struct.pack(f">{len(children)}Q", *[child.file_count for child in children]),
            struct.pack(f">{len(children)}Q", *[child.total_bytes for child in children]),
            _unhex([child.digest for child in children], _SHA256_BYTES),
        )
    )


def _head(kind: bytes, count: int, lines: Sequence[str]) -> bytes:
    text = "".join([line + "\n" for line in lines]).encode()
    if text.count(b"\n") != len(lines):
        raise ValueError("a path or an object id has a line feed")
    return _HEADER.pack(_MAGIC, _VERSION, kind, count, len(text)) + text


def _decode(encoded: bytes) -> Page:
    if len(encoded) > MAX_PAGE_BYTES:
        raise ValueError(f"more than {MAX_PAGE_BYTES:,}")
    magic, version, kind, count, text_size = _HEADER.unpack_from(encoded)
    if magic != _MAGIC:
        raise ValueError("they start with something else")
    if version != _VERSION:
        raise ValueError(f"format version {version} is unknown to this gateway")
    row = {b"L": _LEAF_ROW, b"I": _INDEX_ROW}.get(kind)
    # Before anything is allocated by a count that a stranger wrote, the count must agree with the bytes that are here.
    if row is None or _HEADER.size + text_size + count * row != len(encoded):
        raise ValueError("their kind or length is wrong")
    columns_at = _HEADER.size + text_size
    lines = _lines(encoded[_HEADER.size : columns_at], count * 2 if kind == b"L" else count)
    return (_decode_leaf if kind == b"L" else _decode_index)(lines, encoded, columns_at, count)


def _lines(text: bytes, count: int) -> list[str]:
    lines = text.decode().split("\n")
    if len(lines) != count + 1 or lines.pop() != "":
        raise ValueError("their text has the wrong number of lines")
    return lines


def _decode_leaf(lines: list[str], encoded: bytes, at: int, count: int) -> Leaf:
    paths = lines[:count]
    _check_sorted(paths)
    epochs_at = at + 8 * count
    hashes_at = epochs_at + 4 * count
    checks_at = hashes_at + _SHA256_BYTES * count
    columns = (
        paths,
        struct.unpack_from(f">{count}Q", encoded, at),
        _hex(encoded[hashes_at:checks_at], _SHA256_BYTES),
        lines[count:],
        struct.unpack_from(f">{count}I", encoded, epochs_at),
        _hex(encoded[checks_at:], _KEY_CHECK_BYTES),
    )
    return Leaf(tuple(map(FileEntry, *columns)))


def _decode_index(firsts: list[str], encoded: bytes, at: int, count: int) -> Index:
    _check_children(firsts)
    digests_at = at + 16 * count
    columns = (
        firsts,
        struct.unpack_from(f">{count}Q", encoded, at),
        struct.unpack_from(f">{count}Q", encoded, at + 8 * count),
        _hex(encoded[digests_at:], _SHA256_BYTES),
    )
    return Index(tuple(map(Child, *columns)))


def _check_sorted(paths: Sequence[str]) -> None:
    if paths and not paths[0]:
        raise ValueError("a path is empty")
    for one, other in pairwise(paths):
        if one >= other:
            raise ValueError(f"{other[:80]!r} does not sort after {one[:80]!r}")


def _check_children(firsts: Sequence[str]) -> None:
    if not firsts:
        raise ValueError("an index of no pages")
    _check_sorted(firsts)


def _hex(column: bytes, width: int) -> list[str]:
    text = column.hex()
    return [text[at : at + 2 * width] for at in range(0, len(text), 2 * width)]


def _unhex(fields: Sequence[str], width: int) -> bytes:
    text = "".join(fields)
    column = bytes.fromhex(text)
    # fromhex also takes capitals and spaces, which would come back otherwise.
    if any(len(field) != 2 * width for field in fields) or column.hex() != text:
        raise ValueError(f"a hash is not {2 * width} lower-case hex digits")
    return column
