"""Counts uses of links in memory, for tests and examples: `ports.LinkUses`. One shared test holds it to SQL's rules."""

from collections import Counter
from datetime import datetime


class MemoryLinkUses:
    """A count that is this process's alone, and that ends with it."""

    def __init__(self) -> None:
        self._uses: Counter[str] = Counter()

    async def take(self, link_id: str, *, limit: int, expires_at: datetime) -> bool:
        """Take one use, and tell whether there was one left."""
        del expires_at  # memory ends sooner
        if self._uses[link_id] >= limit:
            return False
        self._uses[link_id] += 1
        return True
