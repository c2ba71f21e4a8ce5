"""The tree in tiles (C2SP tlog-tiles): which files a tree of some size has, and how its hashes are read. Pure.

A tile is 256 hashes side by side, so a level of tiles is eight levels of the tree. The last tile of a level may be
partial; it is a file of its own, which the full one replaces.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from gateway.audit.merkle import Hash, NodeSource, node_hash
from gateway.errors import InvalidProof, NotFound

WIDTH = 256
"""Hashes in a full tile."""
HASH_BYTES = 32

_HEIGHT = 8
_PLACE = re.compile(r"(?P<index>(?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?")


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile's place. `level` 0 holds the hashes of leaves."""

    level: int
    index: int
    width: int

    @property
    def path(self) -> str:
        """Where it is served.

        >>> Tile(0, 1234067, 256).path, Tile(1, 0, 17).path
        ('tile/0/x001/x234/067', 'tile/1/000.p/17')
        """
        return f"tile/{self.level}/{self._place}"

    @property
    def entries_path(self) -> str:
        """Where the entries are served whose hashes it holds; of level 0 alone."""
        return f"tile/entries/{self._place}"

    @property
    def _place(self) -> str:
        digits = f"{self.index:03d}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        parts = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return "/".join([*(f"x{part}" for part in parts[:-1]), parts[-1]]) + partial


TileReader = Callable[[Tile], bytes]
"""Returns a tile's bytes; raises `InvalidProof` where there is none."""


def tiles_between(before: int, size: int) -> Iterator[Tile]:
    """Yield the tiles that a tree of `size` has, and that of `before` had not, level by level.

    >>> [tile.path for tile in tiles_between(0, 257)]
    ['tile/0/000', 'tile/0/001.p/1', 'tile/1/000.p/1']
    """
    level = 0
    while size and before < size:
        for index in range(before // WIDTH, size // WIDTH):
            yield Tile(level, index, WIDTH)
        if size % WIDTH:
            yield Tile(level, size // WIDTH, size % WIDTH)
        before, size, level = before // WIDTH, size // WIDTH, level + 1


def tile_in(size: int, level: int, index: int) -> Tile:
    """Return the tile that a tree of `size` has at this place."""
    return Tile(level, index, min(WIDTH, (size >> _HEIGHT * level) - index * WIDTH))


def nodes_of(size: int, read: TileReader) -> NodeSource:
    """Return the source of the hashes of a tree of `size`, whose tiles `read` returns."""

    @lru_cache(maxsize=64)
    def hashes_of(tile: Tile) -> list[Hash]:
        data = read(tile)
        if len(data) != tile.width * HASH_BYTES:
            raise InvalidProof(f"{tile.path} is damaged: it has {len(data)} bytes.")
        return split(data)

    def node(level: int, index: int) -> Hash:
        tile_level, rise = divmod(level, _HEIGHT)
        first = index << rise
        hashes = hashes_of(tile_in(size, tile_level, first // WIDTH))
        return whole_root(hashes[first % WIDTH : first % WIDTH + (1 << rise)])

    return node


def split(data: bytes) -> list[Hash]:
    """Return the hashes that stand side by side in a tile."""
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


def whole_root(hashes: Sequence[Hash]) -> Hash:
    """Return the root over a power of two of hashes."""
    while len(hashes) > 1:
        hashes = [node_hash(*pair) for pair in zip(hashes[::2], hashes[1::2], strict=True)]
    return hashes[0]


def bundle(entries: Sequence[bytes]) -> bytes:
    r"""Return entries as they are served: each after its length, two bytes, big-endian.

    >>> bundle([b"ab", b""])
    b'\x00\x02ab\x00\x00'
    """
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def read_place(level: int, place: str) -> Tile:
    """Return the tile at a place, as `Tile.path` writes it behind the level.

    >>> read_place(0, "x001/x234/067.p/8")
    Tile(level=0, index=1234067, width=8)

    Raises:
        NotFound: no tile has such a name.
    """
    found = _PLACE.fullmatch(place)
    index = int(found["index"].replace("x", "").replace("/", "")) if found else 0
    tile = Tile(level, index, int(found["width"] or WIDTH) if found else 0)
    if tile.width > WIDTH or tile.path != f"tile/{level}/{place}":
        raise NotFound(f"{place[:80]!r} is no place of a tile.", hint="Write it as C2SP tlog-tiles has it.")
    return tile
