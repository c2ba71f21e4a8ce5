"""Reading the audit journal, which is an act of its own and is recorded in it."""

from collections.abc import Callable, Sequence
from functools import partial

from anyio import to_thread

from gateway.audit.journal import Journal
from gateway.audit.prove import prove
from gateway.audit.question import Page, Question
from gateway.audit.searching import Searching
from gateway.audit.sinks.delivery import Standing
from gateway.audit.sinks.fleet import Sinks
from gateway.audit.tiles import Tile
from gateway.audit.tree import FOLDER, Tree
from gateway.broker.access import Caller, Guard
from gateway.errors import InvalidProof, NotFound

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

    async def proof(self, caller: Caller, seq: int) -> bytes:
        """Return the proof that a record is in the signed journal; it holds the record.

        Raises:
            NotFound: there is no such record, or no checkpoint covers it yet.
        """
        async with self._guard.reading(caller, _READ, f"audit/{self._journal.instance}"):
            return await to_thread.run_sync(prove, self._journal.folder, str(seq))

    async def checkpoint(self, caller: Caller) -> bytes:
        """Return the newest checkpoint's note. Raises `NotFound`: none was signed yet."""
        return await self._of_tree(caller, lambda tree: tree.newest() or b"", "checkpoint")

    async def tile(self, caller: Caller, tile: Tile) -> bytes:
        """Return a tile of the journal's tree. Raises `NotFound`."""
        return await self._of_tree(caller, partial(Tree.read_tile, tile=tile), tile.path)

    async def bundle(self, caller: Caller, tile: Tile) -> bytes:
        """Return the entries under a tile of level 0: hashes of records. Raises `NotFound`."""
        return await self._of_tree(caller, partial(Tree.read_bundle, tile=tile), tile.entries_path)

    async def _of_tree(self, caller: Caller, read: Callable[[Tree], bytes], name: str) -> bytes:
        """Return what is read of the tree, which tells nothing of events and so has a resource of its own."""
        async with self._guard.reading(caller, _READ, f"audit/{self._journal.instance}/tree"):
            try:
                found = await to_thread.run_sync(read, Tree(self._journal.folder / FOLDER))
            except InvalidProof as error:
                raise NotFound(f"The tree has no {name}.") from error
            if not found:
                raise NotFound("No checkpoint was signed yet.", hint="One follows soon; try again.")
            return found
