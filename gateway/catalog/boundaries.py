"""Where pages end: decided by the paths themselves, so that versions that differ a little share nearly all pages.

A page ends after an entry whose path hashes low. What a file contains has no say, so a changed file keeps every
boundary; an added or removed one moves at most those near it, until the next path that hashes low.
"""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Boundaries:
    """How many entries pages of one kind have."""

    smallest: int
    mean: int
    largest: int

    def end_after(self, path: str, *, level: int, length: int) -> bool:
        """Tell whether a page of `length` entries ends after the one of this path.

        >>> Boundaries(smallest=2, mean=4, largest=8).end_after("a", level=0, length=1)
        False
        """
        if length < self.smallest:
            return False
        if length >= self.largest:
            return True
        # The level is hashed along, so that what ends a page on one level says nothing about the next.
        hashed = hashlib.sha256(bytes([level]) + path.encode()).digest()
        return int.from_bytes(hashed[:4]) < (1 << 32) // (self.mean - self.smallest)


@dataclass(frozen=True, slots=True)
class Shape:
    """How a manifest is cut into pages. It is part of the format: another shape gives other digests."""

    leaves: Boundaries
    indexes: Boundaries


VERSION_1 = Shape(
    leaves=Boundaries(smallest=8, mean=24, largest=96),
    indexes=Boundaries(smallest=64, mean=256, largest=1024),
)
"""Small leaves, so that a version that changes a thousandth of the files adds few pages; FORMAT.md has the figures."""
