"""Reading the audit journal, which is an act of its own and is recorded in it."""

from collections.abc import Sequence

from gateway.audit.journal import Journal
from gateway.audit.question import Page, Question
from gateway.audit.searching import Searching
from gateway.audit.sinks.delivery import Standing
from gateway.audit.sinks.fleet import Sinks
from gateway.broker.access import Caller, Guard

_READ = "gateway:ReadAudit"


class Review:
    """The auditor's use cases."""

    def __init__(self, guard: Guard, journal: Journal, searching: Searching, sinks: Sinks) -> None:
        self._guard = guard
        self._journal = journal
        self._searching = searching
        self._sinks = sinks

    async def lines(self, caller: Caller, *, after: int, limit: int) -> Sequence[bytes]:
        """Return up to `limit` of the journal's own lines with sequence numbers above `after`."""
        async with self._guard.reading(caller, _READ, f"audit/{self._journal.instance}") as grant:
            lines = await self._journal.lines(after=after, limit=limit)
            grant.facts["events"] = len(lines)
            return lines

    async def search(self, caller: Caller, question: Question, *, instances: Sequence[str] = ()) -> Page:
        """Return a page of events, newest first, of this instance or of those named; each of them is decided.

        Raises:
            AccessDenied: policy says no to one of the instances.
            TooLarge: the question takes too long.
        """
        wanted = list(dict.fromkeys(instances)) or [self._journal.instance]
        grants = [self._guard.ask(caller, _READ, f"audit/{instance}") for instance in wanted]
        async with self._guard.recorded(grants):
            page = await self._searching.find(question, wanted)
            for grant in grants:
                grant.facts["events"] = len(page.events)
            return page

    async def sinks(self, caller: Caller) -> Sequence[Standing]:
        """Return how each of this instance's sinks is doing."""
        async with self._guard.reading(caller, _READ, f"audit/{self._journal.instance}"):
            return await self._sinks.standings()
