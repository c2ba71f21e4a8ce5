import hashlib
import random
import shutil

import pytest

from gateway.audit.merkle import Frontier, leaf_hash
from gateway.audit.tree import GrowingTree, Tree
from gateway.errors import InvalidProof

ENTRIES = [hashlib.sha256(b"%d" % n).digest() for n in range(70_000)]


@pytest.fixture(scope="module")
def steps():
    """Sizes at which a tree was looked at while it grew, around every boundary of a tile."""
    chance = random.Random(1)  # noqa: S311  # sizes, not secrets
    return sorted({1, 2, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 70_000, *chance.sample(range(70_000), 10)})


def test_a_missing_or_short_tile_is_said(tmp_path):
    tree = GrowingTree(tmp_path)
    tree.extend(ENTRIES[:300])
    (tmp_path / "tile/0/001.p/44").write_bytes(b"short")
    with pytest.raises(InvalidProof, match=r"tile/0/001\.p/44 is missing or damaged"):
        tree.root(300)
    shutil.rmtree(tmp_path / "tile")
    with pytest.raises(InvalidProof, match="is missing or damaged"):
        GrowingTree(tmp_path, 300)
    with pytest.raises(InvalidProof):
        list(Tree(tmp_path).leaves(300, start=0))


def test_a_tree_grows_by_any_steps_to_the_same_tiles(tmp_path, steps):
    tree, expected = GrowingTree(tmp_path), Frontier()
    assert tree.head() is None
    for size in steps:
        added = ENTRIES[tree.size : size]
        tree.extend(added)
        for entry in added:
            expected.append(leaf_hash(entry))
        assert tree.root(size) == expected.root()
        assert tree.head().hash == ENTRIES[size - 1].hex().encode()
        start = max(0, size - 700)
        assert list(tree.leaves(size, start=start)) == [leaf_hash(entry) for entry in ENTRIES[start:size]]
        tree = GrowingTree(tmp_path, size)  # as after a restart
    full = [path for path in tmp_path.rglob("*.p/*") if path.parent.with_suffix("").exists()]
    assert full == []


def test_a_history_that_is_not_there_needs_no_mending(tmp_path):
    tree = GrowingTree(tmp_path)
    tree.mend_history()
    assert list(tree.notes()) == []
    assert tree.newest() is None
    assert tree.keys() == []
    (tmp_path / "checkpoints").write_bytes(b"half a no")
    tree.mend_history()
    assert (tmp_path / "checkpoints").read_bytes() == b""
