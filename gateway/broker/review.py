"""Reading the audit journal, which is an act of its own and is recorded in it."""

from collections.abc import Sequence

from gateway.audit.journal import Journal
from gateway.broker.access import Caller, Guard


class Review:
    """The auditor's use cases."""

    def __init__(self, guard: Guard, journal: Journal) -> None:
        self._guard = guard
        self._journal = journal

    async def lines(self, caller: Caller, *, after: int, limit: int) -> Sequence[bytes]:
        """Return up to `limit` of the journal's own lines with sequence numbers above `after`."""
        async with self._guard.reading(caller, "gateway:ReadAudit", f"audit/{self._journal.instance}") as grant:
            lines = await self._journal.lines(after=after, limit=limit)
            grant.facts["events"] = len(lines)
            return lines
