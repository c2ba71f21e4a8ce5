from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from gateway.audit.parquet import (
    ArchivedFile,
    archived_until,
    current,
    list_archive,
    list_local,
    newest_days,
    read_key,
)
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


async def test_an_archive_is_listed_by_its_instances_here_and_in_s3(tmp_path):
    objects = MemoryObjectStore()
    await objects.put(ONE.key, b"parquet")
    await objects.put("events/gateway-1/stray", b"")
    await objects.put("events/gateway-2/day=2026-03-01/0000000000000001-0000000000000500.parquet", b"")
    assert await list_archive(objects, ["gateway-1"]) == [ONE]
    for name in (ONE.key, "events/gateway-1/day=2026-03-01/x.parquet"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert list_local(tmp_path) == [ONE]


def days_of(count, files_a_day=1):
    return [ArchivedFile("g", DAY + timedelta(days=n), i, i) for n in range(count) for i in range(files_a_day)]


def test_a_day_without_such_a_moment_is_left_out():
    noon = datetime(2026, 3, 2, 12, tzinfo=timezone(timedelta(hours=-11)))  # 23:00 UTC
    [found] = newest_days(days_of(4), since=noon, until=noon + timedelta(hours=1))
    assert [file.day.day for file in found] == [3, 2]
    [found] = newest_days(days_of(4), since=datetime(2026, 3, 3, tzinfo=UTC))
    assert [file.day.day for file in found] == [4, 3]


@pytest.mark.parametrize("moment", [datetime.min, datetime.max])
def test_the_ends_of_all_time_are_moments_too(moment):
    for offset in (timezone(timedelta(hours=14)), timezone(timedelta(hours=-14))):
        list(newest_days(days_of(2), since=moment.replace(tzinfo=offset), until=moment.replace(tzinfo=offset)))


def test_days_come_newest_first_whole_and_more_and_more_at_a_time():
    looks = list(newest_days(days_of(100, files_a_day=10)))
    assert [len(look) for look in looks] == [20, 40, 70, 130, 260, 260, 220]
    assert [file.day for look in looks for file in look] == sorted(
        (file.day for look in looks for file in look), reverse=True
    )
    assert {one.day for one in looks[0]}.isdisjoint(one.day for one in looks[1])
