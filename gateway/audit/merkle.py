"""RFC 6962's Merkle tree (section 2.1): its hashes, its root, and the proof that an entry is in it. Pure.

A tree is asked for its hashes through a `NodeSource`, so that a proof costs a few reads, however long the log is.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

Hash = bytes
"""A SHA-256, 32 bytes."""

NodeSource = Callable[[int, int], Hash]
"""Returns the hash of the whole subtree over the leaves `index * 2**level` to `(index + 1) * 2**level`."""


def leaf_hash(entry: bytes) -> Hash:
    """Return the hash of an entry.

    >>> leaf_hash(b"").hex()[:16]
    '6e340b9cffb37a98'
    """
    return sha256(b"\x00" + entry).digest()


def node_hash(left: Hash, right: Hash) -> Hash:
    """Return the hash over two subtrees; its prefix keeps it from being taken for a leaf's."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """All that is needed to let a tree grow and to know its root: one hash for each bit that is set in its size.

    >>> tree = Frontier()
    >>> tree.append(leaf_hash(b""))
    >>> (tree.size, tree.root() == leaf_hash(b""))
    (1, True)
    """

    def __init__(self, size: int = 0, hashes: Sequence[Hash] = ()) -> None:
        self.size = size
        self._hashes = list(hashes)
        """Of whole subtrees, the largest first."""

    def append(self, leaf: Hash) -> None:
        """Add the hash of one entry."""
        self.extend([leaf])

    def extend(self, leaves: Iterable[Hash]) -> None:
        """Add the hashes of entries, in their order."""
        hashes, size = self._hashes, self.size
        for leaf in leaves:
            one, whole = leaf, size
            while whole & 1:
                one = sha256(b"\x01" + hashes.pop() + one).digest()
                whole >>= 1
            hashes.append(one)
            size += 1
        self.size = size

    def root(self) -> Hash:
        """Return the hash of the whole tree; of an empty one, SHA-256 of nothing."""
        if not self._hashes:
            return sha256().digest()
        *rest, root = self._hashes
        for left in reversed(rest):
            root = node_hash(left, root)
        return root

    def copy(self) -> "Frontier":
        """Return the same tree, which grows on its own."""
        return Frontier(self.size, self._hashes)


def frontier_of(size: int, node: NodeSource) -> Frontier:
    """Return the tree of `size` entries, read from a source that has them."""
    hashes, start = [], 0
    for level in reversed(range(size.bit_length())):
        if size >> level & 1:
            hashes.append(node(level, start >> level))
            start += 1 << level
    return Frontier(size, hashes)


def inclusion_path(index: int, size: int, node: NodeSource) -> list[Hash]:
    """Return the proof that the entry `index`, counted from 0, is in the tree of `size` (2.1.1), from the leaf up."""
    path: list[Hash] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _left_part(end - start)
        if index < middle:
            path.append(subtree_hash(middle, end, node))
            end = middle
        else:
            path.append(subtree_hash(start, middle, node))
            start = middle
    return path[::-1]


def consistency_path(old: int, size: int, node: NodeSource) -> list[Hash]:
    """Return the proof that the tree of `size` goes on from that of `old` entries (2.1.2); none is needed from 0."""
    path: list[Hash] = []
    start, end, is_old_root = 0, size, True
    while 0 < old < end:
        middle = start + _left_part(end - start)
        if old <= middle:
            path.append(subtree_hash(middle, end, node))
            end = middle
        else:
            path.append(subtree_hash(start, middle, node))
            start, is_old_root = middle, False
    if not is_old_root:  # else the verifier knows it: it is the old root itself
        path.append(subtree_hash(start, end, node))
    return path[::-1]


def subtree_hash(start: int, end: int, node: NodeSource) -> Hash:
    """Return the hash over the leaves `start` to `end` (exclusive), where `start` begins a subtree of that length."""
    length = end - start
    if length & (length - 1) == 0:
        level = length.bit_length() - 1
        return node(level, start >> level)
    middle = start + _left_part(length)
    return node_hash(subtree_hash(start, middle, node), subtree_hash(middle, end, node))


def root_of_path(leaf: Hash, index: int, size: int, path: Sequence[Hash]) -> Hash | None:
    """Return the root that a proof leads to, or None if it is not one of this place (RFC 9162, 2.1.3.2).

    >>> one, two = leaf_hash(b"1"), leaf_hash(b"2")
    >>> root_of_path(two, 1, 2, [one]) == node_hash(one, two)
    True
    """
    if not 0 <= index < size:
        return None
    place, last = index, size - 1
    for beside in path:
        if last == 0:
            return None
        if place & 1 or place == last:
            leaf = node_hash(beside, leaf)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            leaf = node_hash(leaf, beside)
        place, last = place >> 1, last >> 1
    return leaf if last == 0 else None


def _left_part(length: int) -> int:
    """Return the largest power of two below `length`, which is at least 2."""
    return 1 << (length - 1).bit_length() - 1
