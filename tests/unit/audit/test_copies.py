"""Local copies of the archive: fetched once, bounded, gone when the archive no longer has them."""

from datetime import UTC, date, datetime, timedelta

import pytest

from gateway.audit.copies import LocalCopies
from gateway.audit.parquet import ArchivedFile, list_local
from gateway.errors import LocalFileError, StorageUnavailable
from gateway.storage.memory import MemoryObjectStore

pytestmark = pytest.mark.anyio

DAY = date(2026, 3, 1)
FILES = [ArchivedFile("gateway-1", DAY, n, n) for n in range(1, 21)]
OTHER = ArchivedFile("gateway-2", DAY, 1, 1)


class Time:
    """A clock that is set by hand."""

    def __init__(self):
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self):
        return self.now

    def pass_minutes(self, minutes):
        self.now += timedelta(minutes=minutes)


@pytest.fixture
def now():
    return Time()


@pytest.fixture
async def objects():
    objects = MemoryObjectStore()
    for file in [*FILES, OTHER]:
        await objects.put(file.key, bytes(100))
    return objects


@pytest.fixture
def copies(objects, tmp_path, now):
    return lambda **more: LocalCopies(objects, tmp_path / "copies", clock=now, **more)


async def test_a_copy_that_cannot_be_written_is_named(objects, tmp_path, copies):
    (tmp_path / "copies").write_bytes(b"")
    with pytest.raises(LocalFileError, match="copies"):
        await copies().fetch(FILES[:1])


async def test_a_bucket_that_is_away_is_said(tmp_path):
    class Away(MemoryObjectStore):
        async def get(self, key):
            raise StorageUnavailable("S3 failed.")

    with pytest.raises(StorageUnavailable):
        await LocalCopies(Away(), tmp_path).fetch(FILES)


async def test_copies_are_fetched_once(objects, tmp_path, copies):
    paths = await copies().fetch(FILES)
    assert [path.read_bytes() for path in paths] == [bytes(100)] * 20
    await objects.put(FILES[0].key, b"changed")
    assert (await copies().fetch(FILES))[0].read_bytes() == bytes(100)
    assert list_local(tmp_path / "copies") == FILES


async def test_what_the_archive_no_longer_has_is_dropped_and_what_was_not_listed_is_kept(tmp_path, copies):
    mine = copies()
    await mine.fetch([*FILES, OTHER])
    await mine.tidy(["gateway-1"], FILES[5:])
    assert list_local(tmp_path / "copies") == [*FILES[5:], OTHER]


async def test_too_much_goes_and_what_was_used_longest_ago_goes_first(tmp_path, copies, now):
    mine = copies(most_bytes=500)
    await mine.fetch(FILES)
    now.pass_minutes(60)
    await mine.fetch(FILES[:3])
    now.pass_minutes(11)
    await mine.tidy(["gateway-1"], FILES)
    left = list_local(tmp_path / "copies")
    assert len(left) == 5
    assert set(FILES[:3]) < set(left)


async def test_what_may_be_being_read_stays_and_nobody_tidies_twice_a_minute(tmp_path, copies, now):
    mine = copies(most_bytes=0)
    await mine.fetch(FILES)
    await mine.tidy(["gateway-1"], FILES)
    assert list_local(tmp_path / "copies") == FILES
    await mine.tidy(["gateway-1"], [])
    assert list_local(tmp_path / "copies") == FILES
    now.pass_minutes(11)
    await mine.tidy(["gateway-1"], FILES)
    assert list_local(tmp_path / "copies") == []


async def test_a_folder_that_is_not_there_yet_is_tidy(copies):
    await copies().tidy(["gateway-1"], FILES)
