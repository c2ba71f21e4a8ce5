"""Where pages end: decided by the paths themselves, so that versions that differ a little share nearly all pages.

A page ends after an entry whose path hashes low. What a file contains has no say, so a changed file keeps every
boundary; an added or removed one moves at most those near it, until the next path that hashes low.
"""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Boundaries:
    """How long pages of one kind are, in entries. Part of the format: other numbers give other digests."""

    smallest: int
    mean: int
    largest: int

    def ends_after(self, path: str, *, level: int, length: int) -> bool:
        """Tell whether a page of `length` entries ends after the one of this path; leaves are level 0.

        >>> LEAVES.ends_after("a", level=0, length=255), LEAVES.ends_after("a", level=0, length=4096)
        (False, True)
        """
        if length < self.smallest:
            return False
        if length >= self.largest:
            return True
        # The level is hashed along, or a path that ends a leaf would end pages above more often than others.
        hashed = hashlib.sha256(bytes([level]) + path.encode()).digest()
        return int.from_bytes(hashed[:4]) < (1 << 32) // (self.mean - self.smallest)


LEAVES = Boundaries(smallest=256, mean=1024, largest=4096)
INDEXES = Boundaries(smallest=64, mean=256, largest=1024)
