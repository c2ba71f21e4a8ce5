"""The gateway's own answer to questions: lists the archive, fetches what a question needs, and asks beside requests."""

from collections.abc import Sequence
from datetime import UTC
from functools import partial
from pathlib import Path

from anyio import CapacityLimiter, to_thread

from gateway.audit.parquet import ArchivedFile, LocalCopies, archived_until, list_archive, require_duckdb
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
    """

    def __init__(self, journal: Path, *, instance: str, objects: ObjectStore | None, copies: Path) -> None:
        self._journal = journal
        self._instance = instance
        self._objects = objects
        self._copies = LocalCopies(objects, copies) if objects else None
        self._limiter = CapacityLimiter(_AT_A_TIME)

    async def find(self, question: Question, instances: Sequence[str]) -> Page:
        """Return a page of these instances' events.

        Raises:
            InvalidConfiguration: DuckDB is not installed.
            StorageUnavailable: the archive is away.
            TooLarge: it takes too long.
        """
        require_duckdb()
        from gateway.audit.search import JournalFiles, Sources, search  # noqa: PLC0415 -- needs DuckDB

        files = await list_archive(self._objects, instances) if self._objects else []
        own = [
            JournalFiles(self._instance, self._journal, archived_until(files, self._instance))
            for instance in instances
            if instance == self._instance
        ]
        needed = [file for file in files if _may_have(file, question)]
        archived = await self._copies.fetch(needed) if self._copies else []
        call = partial(search, question, Sources(archived, own))
        return await to_thread.run_sync(call, limiter=self._limiter)


def _may_have(file: ArchivedFile, question: Question) -> bool:
    """Tell whether the file's day, which is one of UTC, may have a moment that is asked for."""
    since, until = question.since, question.until
    return (since is None or file.day >= since.astimezone(UTC).date()) and (
        until is None or file.day <= until.astimezone(UTC).date()
    )
