import pytest

from gateway.audit.merkle import Frontier, inclusion_path, leaf_hash, root_of_path
from gateway.audit.tiles import Tile, nodes_of, tile_in, tiles_between
from gateway.errors import InvalidProof


@pytest.mark.parametrize("data", [b"", b"x" * 31, b"x" * 65])
def test_a_tile_of_another_length_is_damaged(data):
    with pytest.raises(InvalidProof, match=r"tile/0/000\.p/2 is damaged"):
        nodes_of(2, lambda _: data)(0, 0)


def test_the_tiles_of_the_specifications_example():
    # tlog-tiles, "Partial Tiles": a tree of size 70,000
    tiles = list(tiles_between(0, 70_000))
    assert tiles == [
        *(Tile(0, n, 256) for n in range(273)),
        Tile(0, 273, 112),
        Tile(1, 0, 256),
        Tile(1, 1, 17),
        Tile(2, 0, 1),
    ]
    assert tiles[273].path == "tile/0/273.p/112"
    assert tiles[273].entries_path == "tile/entries/273.p/112"


def test_a_tree_of_one_full_tile_has_a_partial_one_above():
    assert [tile.path for tile in tiles_between(0, 256)] == ["tile/0/000", "tile/1/000.p/1"]


def test_between_two_sizes_are_the_tiles_that_the_first_had_not():
    for before, size in [(0, 0), (5, 5), (5, 6), (255, 256), (256, 257), (256, 512), (300, 66_000), (65_536, 65_537)]:
        had = set(tiles_between(0, before))
        assert list(tiles_between(before, size)) == [tile for tile in tiles_between(0, size) if tile not in had]


def test_a_tree_finds_its_hashes_in_its_tiles():
    leaves = [leaf_hash(bytes(n % 256 for _ in range(n % 7))) for n in range(1000)]
    levels = [leaves]
    for _ in range(2):
        full = range(len(levels[-1]) // 256)
        levels.append([subtree(levels[-1][256 * n : 256 * n + 256]) for n in full])

    def read(tile):
        return b"".join(levels[tile.level][256 * tile.index : 256 * tile.index + tile.width])

    tree = Frontier()
    for leaf in leaves:
        tree.append(leaf)
    for index in (0, 1, 255, 256, 700, 998, 999):
        path = inclusion_path(index, 1000, nodes_of(1000, read))
        assert root_of_path(leaves[index], index, 1000, path) == tree.root()
    assert tile_in(1000, 1, 0) == Tile(1, 0, 3)


def subtree(leaves):
    tree = Frontier()
    for leaf in leaves:
        tree.append(leaf)
    return tree.root()
