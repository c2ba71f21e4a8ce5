"""Events as Parquet in S3, partitioned by day. An object is written whole or not at all, under its batch's name."""

import tempfile
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from anyio import to_thread

from gateway.audit.entry import read_time
from gateway.audit.parquet import ArchivedFile
from gateway.audit.record import Record
from gateway.audit.sinks.target import Batch, line_of
from gateway.errors import SinkUnavailable, StorageUnavailable
from gateway.ports import ObjectStore

_NO_DAY = datetime(1970, 1, 1, tzinfo=UTC)


class ArchiveTarget:
    """Writes each batch as one object for each day that it touches.

    Args:
        objects: The bucket.
    """

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    async def send(self, batch: Batch) -> None:
        """Write the batch. Raises `SinkUnavailable`: not all of it; the same objects are written again."""
        try:
            for day, records in _by_day(batch.records).items():
                file = ArchivedFile(batch.instance, day, batch.first, batch.last)
                await self._objects.put(file.key, await to_thread.run_sync(_parquet, batch.instance, records))
        except StorageUnavailable as error:
            raise SinkUnavailable(error.message) from error
        except OSError as error:
            raise SinkUnavailable(f"No room to make a Parquet file: {error.strerror}.") from error

    async def close(self) -> None:
        """Do nothing: the bucket's client is not ours."""


def _by_day(records: Sequence[Record]) -> dict[date, list[Record]]:
    days: dict[date, list[Record]] = defaultdict(list)
    for record in records:
        days[(read_time(record) or _NO_DAY).date()].append(record)
    return days


def _parquet(instance: str, records: Sequence[Record]) -> bytes:
    from gateway.audit.table import lines_to_parquet  # noqa: PLC0415 -- DuckDB is in the extra [archive]

    with tempfile.TemporaryDirectory(prefix="gateway-archive-") as folder:
        lines, parquet = Path(folder, "lines.ndjson"), Path(folder, "events.parquet")
        lines.write_bytes(b"".join(map(line_of, records)))
        lines_to_parquet(instance, str(lines), str(parquet))
        return parquet.read_bytes()
