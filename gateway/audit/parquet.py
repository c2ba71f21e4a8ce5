"""The archive: Parquet files in S3, partitioned by day, and a local copy of those that a question needs.

A file is named for the batch that it is from: `events/<instance>/day=<UTC day>/<first>-<last>.parquet`. A batch that is
sent again after a kill may have grown, and then begins with the same record: the longest file counts, alone.
"""

import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.util import find_spec
from pathlib import Path

from anyio import to_thread

from gateway.errors import InvalidConfiguration, LocalFileError
from gateway.ports import ObjectStore

PREFIX = "events/"

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


class LocalCopies:
    """Copies of archived files. They are immutable, so a copy is good for ever.

    Args:
        objects: Where the archive is.
        folder: Where copies are kept; made, with mode 0700, if it is not there.
    """

    def __init__(self, objects: ObjectStore, folder: Path) -> None:
        self._objects = objects
        self._folder = folder

    async def fetch(self, files: Sequence[ArchivedFile]) -> list[Path]:
        """Return the files' paths here, fetching those that are not.

        Raises:
            StorageUnavailable: S3 is away.
            LocalFileError: a copy cannot be written.
        """
        return [await self._fetch(file) for file in files]

    async def _fetch(self, file: ArchivedFile) -> Path:
        path = self._folder / file.key
        if not path.exists():
            content = await self._objects.get(file.key)
            try:
                await to_thread.run_sync(_write, path, content)
            except OSError as error:
                raise LocalFileError(f"The copy {path} cannot be written: {error.strerror}.") from error
        return path


def _write(path: Path, content: bytes) -> None:
    """Write the file so that it is there whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".new", delete=False) as file:
        file.write(content)
    Path(file.name).replace(path)
