"""The gateway's own answer to questions: lists the archive, fetches what a question needs, and asks beside requests."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from anyio import CapacityLimiter, from_thread, to_thread

from gateway.audit.copies import MOST_BYTES, LocalCopies
from gateway.audit.parquet import ArchivedFile, archived_until, list_archive, require_duckdb
from gateway.audit.question import Page, Question
from gateway.ports import ObjectStore

_AT_A_TIME = 2
"""Each question may take as much memory as `gateway.audit.table` allows."""


class Searching:
    """Answers questions over this instance's journal, and over any instance's archive.

    Args:
        journal: This instance's journal.
        instance: Its name.
        objects: Where the archive is; none if there is no sink that archives.
        copies: The folder of local copies of the archive.
        copies_bytes: How much of it may stay there.
    """

    def __init__(
        self,
        journal: Path,
        *,
        instance: str,
        objects: ObjectStore | None,
        copies: Path,
        copies_bytes: int = MOST_BYTES,
    ) -> None:
        self._journal = journal
        self._instance = instance
        self._objects = objects
        self._copies = LocalCopies(objects, copies, most_bytes=copies_bytes) if objects else None
        self._limiter = CapacityLimiter(_AT_A_TIME)

    async def find(self, question: Question, instances: Sequence[str]) -> Page:
        """Return a page of these instances' events.

        Raises:
            InvalidConfiguration: DuckDB is not installed.
            StorageUnavailable: the archive is away.
            TooLarge: it takes too long.
        """
        require_duckdb()
        from gateway.audit.search import Archive, JournalFiles, Sources, search  # noqa: PLC0415 -- needs DuckDB

        files = await list_archive(self._objects, instances) if self._objects else []
        own = [
            JournalFiles(self._instance, self._journal, archived_until(files, self._instance))
            for instance in instances
            if instance == self._instance
        ]
        archive = Archive(files, self._fetch) if files else None
        if self._copies:
            await self._copies.tidy(instances, files)
        call = partial(search, question, Sources(archive, own))
        return await to_thread.run_sync(call, limiter=self._limiter)

    def _fetch(self, files: Sequence[ArchivedFile]) -> list[Path]:
        """Return where files are here: called in the thread that asks, which waits for those that it needs, alone."""
        return from_thread.run(self._copies.fetch, files) if self._copies else []
