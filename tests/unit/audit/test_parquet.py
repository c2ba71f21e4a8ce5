from datetime import date

import pytest

from gateway.audit.parquet import (
    ArchivedFile,
    LocalCopies,
    archived_until,
    current,
    list_archive,
    list_local,
    read_key,
)
from gateway.errors import LocalFileError, StorageUnavailable
from gateway.storage.memory import MemoryObjectStore

pytestmark = pytest.mark.anyio

DAY = date(2026, 3, 1)
ONE = ArchivedFile("gateway-1", DAY, 1, 100)


@pytest.mark.parametrize(
    "key",
    [
        "events/gateway-1/day=2026-02-30/0000000000000001-0000000000000500.parquet",
        "events/../day=2026-03-01/0000000000000001-0000000000000500.parquet",
        "events/gateway-1/day=2026-03-01/1-500.parquet",
        "events/gateway-1/day=2026-03-01/0000000000000001-0000000000000500.parquet.new",
        "r/0000/o/1",
        "",
    ],
)
def test_what_is_no_key_of_the_archive_is_passed_by(key):
    assert read_key(key) is None


def test_a_key_is_read_as_it_is_written():
    assert read_key(ONE.key) == ONE


def test_the_longest_file_stands_for_those_from_the_same_record():
    grown, next_day = ArchivedFile("gateway-1", DAY, 1, 150), ArchivedFile("gateway-1", date(2026, 3, 2), 1, 150)
    behind, other = ArchivedFile("gateway-1", DAY, 151, 200), ArchivedFile("gateway-2", DAY, 1, 999)
    assert current([behind, other, grown, ONE, next_day]) == [grown, behind, next_day, other]
    assert archived_until([behind, other, grown], "gateway-1") == 200
    assert archived_until([], "gateway-1") == 0


async def test_copies_are_fetched_once(tmp_path):
    objects = MemoryObjectStore()
    await objects.put(ONE.key, b"parquet")
    await objects.put("events/gateway-1/stray", b"")
    await objects.put("events/gateway-2/day=2026-03-01/0000000000000001-0000000000000500.parquet", b"")
    assert await list_archive(objects, ["gateway-1"]) == [ONE]
    copies = LocalCopies(objects, tmp_path / "copies")
    [path] = await copies.fetch([ONE])
    assert path.read_bytes() == b"parquet"
    await objects.put(ONE.key, b"changed")
    assert (await copies.fetch([ONE]))[0].read_bytes() == b"parquet"
    assert list_local(tmp_path / "copies") == [ONE]
    (tmp_path / "copies" / "events" / "gateway-1" / "day=2026-03-01" / "x.parquet").touch()
    assert list_local(tmp_path / "copies") == [ONE]


async def test_a_copy_that_cannot_be_written_is_named(tmp_path):
    objects = MemoryObjectStore()
    await objects.put(ONE.key, b"parquet")
    (tmp_path / "copies").write_bytes(b"")
    with pytest.raises((LocalFileError, NotADirectoryError)):
        await LocalCopies(objects, tmp_path / "copies").fetch([ONE])


async def test_a_bucket_that_is_away_is_said(tmp_path):
    class Away(MemoryObjectStore):
        async def get(self, key):
            raise StorageUnavailable("S3 failed.")

    with pytest.raises(StorageUnavailable):
        await LocalCopies(Away(), tmp_path).fetch([ONE])
