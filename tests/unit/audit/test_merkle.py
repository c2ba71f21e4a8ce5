from hashlib import sha256

import pytest

from gateway.audit.merkle import (
    Frontier,
    consistency_path,
    frontier_of,
    inclusion_path,
    leaf_hash,
    node_hash,
    root_of_path,
    subtree_hash,
)

# The entries and roots that Certificate Transparency's implementations are tested with.
ENTRIES = [
    bytes.fromhex(entry)
    for entry in (
        *("", "00", "10", "2021", "3031", "40414243"),
        *("5051525354555657", "606162636465666768696a6b6c6d6e6f"),
    )
]
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
LEAVES = [leaf_hash(sha256(bytes([n])).digest()) for n in range(70)]


def definition(leaves):
    """RFC 6962 2.1, word by word."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"").digest()
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return node_hash(definition(leaves[:k]), definition(leaves[k:]))


def node(level, index):
    return definition(LEAVES[index << level : (index + 1) << level])


@pytest.mark.parametrize("size", range(1, 71))
def test_a_proof_of_another_entry_place_or_size_leads_to_no_root(size):
    root = definition(LEAVES[:size])
    for index in range(size):
        path = inclusion_path(index, size, node)
        for other in (LEAVES[(index + 1) % size], sha256(b"x").digest()):
            assert other == LEAVES[index] or root_of_path(other, index, size, path) != root
        assert root_of_path(LEAVES[index], index, size, [*path, root]) != root
        assert not path or root_of_path(LEAVES[index], index, size, path[:-1]) != root
        assert root_of_path(LEAVES[index], size, size, path) is None
        assert root_of_path(LEAVES[index], -1, size, path) is None


@pytest.mark.parametrize("size", range(1, 71))
def test_a_proof_leads_from_its_entry_to_the_root(size):
    root = definition(LEAVES[:size])
    for index in range(size):
        assert root_of_path(LEAVES[index], index, size, inclusion_path(index, size, node)) == root


def test_the_roots_are_those_of_certificate_transparency():
    tree = Frontier()
    assert tree.root().hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    for entry, root in zip(ENTRIES, ROOTS, strict=True):
        tree.append(leaf_hash(entry))
        assert tree.root().hex() == root


def test_a_tree_read_from_its_nodes_is_the_one_that_grew():
    tree = Frontier()
    for size in range(70):
        read = frontier_of(size, node)
        assert (read.size, read.root()) == (size, tree.root())
        copy = read.copy()
        copy.append(LEAVES[size])
        tree.append(LEAVES[size])
        assert copy.root() == tree.root() == subtree_hash(0, size + 1, node)
        assert read.size == size


def subproof(old, leaves, *, is_old_root):
    """RFC 6962 2.1.2, word by word."""
    if old == len(leaves):
        return [] if is_old_root else [definition(leaves)]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    if old <= k:
        return [*subproof(old, leaves[:k], is_old_root=is_old_root), definition(leaves[k:])]
    return [*subproof(old - k, leaves[k:], is_old_root=False), definition(leaves[:k])]


@pytest.mark.parametrize("size", range(1, 71))
def test_a_consistency_proof_is_the_standards(size):
    for old in range(1, size + 1):
        assert consistency_path(old, size, node) == subproof(old, LEAVES[:size], is_old_root=True)
    assert consistency_path(0, size, node) == []
