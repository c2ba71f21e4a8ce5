"""How pages lie in packs: an index page is followed by the places of its children, which its digest does not cover.

So the digest of a version depends on its files alone, and a page that two versions share is stored once, wherever
that is. A pack's own SHA-256, which is its name, covers the places.
"""

import hashlib
import struct

from gateway.catalog.page import Child, Index, Leaf, Page, Place, decode, page_size
from gateway.errors import IntegrityError, InvalidInput

MAX_PACK_BYTES = 4 << 20
"""More than the fullest pack: one that was just not full, and the largest page with its places."""

_COUNT = struct.Struct(">I")
_PUSH_BYTES = 16
_SHA256_BYTES = 32
_NAME_BYTES = _PUSH_BYTES + _SHA256_BYTES


def pack_name(push_id: str, content: bytes) -> str:
    """Return the name of a pack that a push writes.

    >>> pack_name("0f" * 16, b"")
    '0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
    """
    return f"{push_id}/{hashlib.sha256(content).hexdigest()}"


def encode_places(page: Page) -> bytes:
    """Return what follows the page in its pack: for an index page, where its children are; nothing for a leaf.

    Raises:
        InvalidInput: a child has no place.
    """
    if isinstance(page, Leaf):
        return b""
    places = [_placed(child) for child in page.children]
    packs = {name: number for number, name in enumerate(dict.fromkeys(place.pack for place in places))}
    rows = [(packs[place.pack], place.start, place.size or 0) for place in places]
    columns = [struct.pack(f">{len(rows)}I", *column) for column in zip(*rows, strict=True)]
    return b"".join((_COUNT.pack(len(packs)), *map(_name_bytes, packs), *columns))


def decode_stored(stored: bytes, digest: str) -> Page:
    """Return the page of this hex SHA-256, its children with their places.

    Raises:
        IntegrityError: it is another page, or none.
    """
    size = page_size(stored)
    canonical = stored[:size]
    if hashlib.sha256(canonical).hexdigest() != digest:
        raise IntegrityError(f"Manifest page {digest} has other content.")
    page = decode(canonical)
    if isinstance(page, Leaf):
        if size != len(stored):
            raise IntegrityError(f"Manifest page {digest} is followed by {len(stored) - size:,} bytes of nothing.")
        return page
    try:
        places = _decode_places(stored[size:], len(page.children))
    except (ValueError, IndexError, struct.error) as error:
        raise IntegrityError(f"Manifest page {digest} does not say where its children are: {error}.") from error
    return Index(tuple(map(_at, page.children, places)))


def _at(child: Child, place: Place) -> Child:
    return Child(child.first, child.file_count, child.total_bytes, child.digest, place)


def _placed(child: Child) -> Place:
    if child.place is None:
        raise InvalidInput(f"The page from {child.first[:80]!r} on has no place yet.")
    return child.place


def _decode_places(encoded: bytes, count: int) -> list[Place]:
    (packs,) = _COUNT.unpack_from(encoded)
    columns_at = _COUNT.size + packs * _NAME_BYTES
    if len(encoded) != columns_at + 12 * count:
        raise ValueError("their length is wrong")
    names = [_name(encoded[at : at + _NAME_BYTES]) for at in range(_COUNT.size, columns_at, _NAME_BYTES)]
    numbers, starts, sizes = (struct.unpack_from(f">{count}I", encoded, columns_at + 4 * count * i) for i in range(3))
    return [Place(names[number], start, size) for number, start, size in zip(numbers, starts, sizes, strict=True)]


def _name_bytes(name: str) -> bytes:
    push_id, _, digest = name.partition("/")
    return bytes.fromhex(push_id) + bytes.fromhex(digest)


def _name(encoded: bytes) -> str:
    return f"{encoded[:_PUSH_BYTES].hex()}/{encoded[_PUSH_BYTES:].hex()}"
