"""The archive: Parquet files in S3, partitioned by day, and which of them a question needs, in which order.

A file is named for the batch that it is from: `events/<instance>/day=<UTC day>/<first>-<last>.parquet`. A batch that is
sent again after a kill may have grown, and then begins with the same record: the longest file counts, alone.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from importlib.util import find_spec
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from gateway.errors import InvalidConfiguration
from gateway.ports import ObjectStore

PREFIX = "events/"

_FIRST_LOOK, _LONGEST_LOOK = 16, 256
"""Files that are looked into at a time, if days are not longer."""

_NAME = re.compile(
    r"events/(?P<instance>[a-z0-9][a-z0-9-]{0,62})/day=(?P<day>\d{4}-\d{2}-\d{2})/(?P<first>\d{16})-(?P<last>\d{16})\.parquet"
)


@dataclass(frozen=True, slots=True, order=True)
class ArchivedFile:
    """A file of the archive: those records of a batch that happened on one day."""

    instance: str
    day: date
    first: int
    """The first record of the batch."""
    last: int
    """The last record of the batch."""

    @property
    def key(self) -> str:
        """Where it is."""
        return f"{PREFIX}{self.instance}/day={self.day:%Y-%m-%d}/{self.first:016d}-{self.last:016d}.parquet"


def read_key(key: str) -> ArchivedFile | None:
    """Return what a key names, if it is a file of the archive.

    >>> read_key("events/gateway-1/day=2026-03-01/0000000000000001-0000000000000500.parquet").last
    500
    """
    found = _NAME.fullmatch(key)
    if not found:
        return None
    try:
        day = date.fromisoformat(found["day"])
    except ValueError:
        return None
    return ArchivedFile(found["instance"], day, int(found["first"]), int(found["last"]))


def current(files: Iterable[ArchivedFile]) -> list[ArchivedFile]:
    """Return the files without those that a longer one from the same record and day stands for."""
    longest: dict[tuple[str, date, int], ArchivedFile] = {}
    for file in sorted(files):
        longest[file.instance, file.day, file.first] = file
    return sorted(longest.values())


def newest_days(
    files: Iterable[ArchivedFile], *, since: datetime | None = None, until: datetime | None = None
) -> Iterator[list[ArchivedFile]]:
    """Yield the files whose day may have such a moment, newest first and whole days at a time: few files, then more.

    Most questions are answered by the newest days; one that nothing answers looks into all of them.
    """
    wanted = (file for file in files if _may_have(file.day, since, until))
    least = _FIRST_LOOK
    together: list[ArchivedFile] = []
    for _, of_day in groupby(sorted(wanted, key=attrgetter("day"), reverse=True), key=attrgetter("day")):
        together += of_day
        if len(together) >= least:
            yield together
            least, together = min(2 * least, _LONGEST_LOOK), []
    if together:
        yield together


def _may_have(day: date, since: datetime | None, until: datetime | None) -> bool:
    """Tell whether the day, which is one of UTC, may have a moment from `since` to `until`."""
    start = datetime.combine(day, time(), UTC)
    return (since is None or since - start < timedelta(days=1)) and (until is None or start <= until)


def archived_until(files: Iterable[ArchivedFile], instance: str) -> int:
    """Return the number of the last archived record of an instance; 0 if there is none."""
    return max((file.last for file in files if file.instance == instance), default=0)


async def list_archive(objects: ObjectStore, instances: Sequence[str]) -> list[ArchivedFile]:
    """Return what is in the archive of these instances. Raises `StorageUnavailable`."""
    found = [
        file
        for instance in instances
        async for stored in objects.list(f"{PREFIX}{instance}/")
        if (file := read_key(stored.key))
    ]
    return current(found)


def list_local(folder: Path) -> list[ArchivedFile]:
    """Return the files of an archive that was copied to a folder, below which keys are paths."""
    paths = (path.relative_to(folder).as_posix() for path in folder.glob(f"{PREFIX}*/day=*/*.parquet"))
    return current([file for path in paths if (file := read_key(path))])


def require_duckdb() -> None:
    """Return if DuckDB is installed. Raises `InvalidConfiguration`."""
    if find_spec("duckdb") is None:
        hint = "Install ml-data-gateway[archive]."
        raise InvalidConfiguration("The archive needs DuckDB, which is not installed.", hint=hint)
