"""Local copies of archived files, so that S3 is read once: fetched when needed, bounded, and dropped with the archive.

A file of the archive is immutable, so a copy is good for as long as the archive has the file; and no longer, since what
was erased there must not live on here.
"""

import asyncio
import os
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from anyio import to_thread

from gateway.audit.parquet import PREFIX, ArchivedFile, read_key
from gateway.clock import Clock, utc_now
from gateway.errors import LocalFileError
from gateway.ports import ObjectStore

MOST_BYTES = 8 << 30

_AT_ONCE = 8
_IN_USE = timedelta(minutes=10)
"""A copy that was asked for so recently may be being read."""
_TIDY_EVERY = timedelta(minutes=1)


class LocalCopies:
    """Copies of archived files.

    Args:
        objects: Where the archive is.
        folder: Where copies are kept; made, with mode 0700, if it is not there.
        most_bytes: How much stays here; the copies that were used longest ago go first.
        clock: The time.
    """

    def __init__(
        self, objects: ObjectStore, folder: Path, *, most_bytes: int = MOST_BYTES, clock: Clock = utc_now
    ) -> None:
        self._objects = objects
        self._folder = folder
        self._most_bytes = most_bytes
        self._clock = clock
        self._tidied = datetime.min.replace(tzinfo=UTC)

    async def fetch(self, files: Sequence[ArchivedFile]) -> list[Path]:
        """Return the files' paths here, fetching those that are not, several at a time.

        Raises:
            StorageUnavailable: S3 is away.
            LocalFileError: a copy cannot be written.
        """
        missing = iter(await to_thread.run_sync(self._use, files))
        while batch := list(islice(missing, _AT_ONCE)):
            await asyncio.gather(*(self._fetch(file) for file in batch))
        return [self._folder / file.key for file in files]

    async def _fetch(self, file: ArchivedFile) -> None:
        path = self._folder / file.key
        content = await self._objects.get(file.key)
        try:
            await to_thread.run_sync(_write, path, content, self._clock().timestamp())
        except OSError as error:
            raise LocalFileError(f"The copy {path} cannot be written: {error.strerror}.") from error

    def _use(self, files: Sequence[ArchivedFile]) -> list[ArchivedFile]:
        """Note that these are in use, and return those that are not here."""
        missing, now = [], self._clock().timestamp()
        for file in files:
            try:
                os.utime(self._folder / file.key, (now, now))
            except OSError:  # whatever is the matter with it, writing it anew says so
                missing.append(file)
        return missing

    async def tidy(self, instances: Sequence[str], files: Sequence[ArchivedFile]) -> None:
        """Drop copies of what these instances' archives no longer have, and what is too much, once a minute at most.

        Args:
            instances: Whose archives were listed.
            files: All that is in them.
        """
        if self._clock() - self._tidied >= _TIDY_EVERY:
            self._tidied = self._clock()
            await to_thread.run_sync(self._drop_gone, set(instances), {file.key for file in files})
            await to_thread.run_sync(self._drop_oldest)

    def _drop_gone(self, instances: set[str], archived: set[str]) -> None:
        for path in self._all():
            key = path.relative_to(self._folder).as_posix()
            file = read_key(key)
            if file and file.instance in instances and key not in archived:
                path.unlink(missing_ok=True)

    def _drop_oldest(self) -> None:
        found = sorted(((status := path.stat()).st_mtime, status.st_size, path) for path in self._all())
        over = sum(size for _, size, _ in found) - self._most_bytes
        since = (self._clock() - _IN_USE).timestamp()
        for used, size, path in found:
            if over <= 0 or used > since:
                return
            path.unlink(missing_ok=True)
            over -= size

    def _all(self) -> list[Path]:
        return list(self._folder.glob(f"{PREFIX}*/day=*/*.parquet"))


def _write(path: Path, content: bytes, now: float) -> None:
    """Write the file so that it is there whole or not at all, and in use from now on."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".new", delete=False) as file:
        file.write(content)
    os.utime(file.name, (now, now))
    Path(file.name).replace(path)
