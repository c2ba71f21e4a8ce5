"""What the gateway itself searches: its own journal, any instance's archive, and not more of it than it must."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from gateway.audit import parquet
from gateway.audit.event import decided
from gateway.audit.journal import Journal
from gateway.audit.question import Question
from gateway.audit.searching import Searching
from gateway.audit.sinks.archive import ArchiveTarget
from gateway.audit.sinks.target import batch_of
from gateway.storage.memory import MemoryObjectStore

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAYS = [NOON + timedelta(days=n) for n in range(3)]


class Counting(MemoryObjectStore):
    """Counts what is fetched."""

    fetched = 0

    async def get(self, key):
        self.fetched += 1
        return await super().get(key)


@pytest.fixture
async def objects(tmp_path, reading, allow):
    """Two instances' archives: of three days each, one file a day."""
    objects = Counting()
    for instance in ("gateway-1", "gateway-2"):
        async with Journal(tmp_path / "audit", instance=instance, clock=lambda: NOON) as journal:
            for day in DAYS:
                await journal.append(decided(reading, allow, at=day, request_id="r", source_ip="::1"))
            await ArchiveTarget(objects).send(batch_of(instance, await journal.lines(after=0, limit=4)))
    return objects


@pytest.fixture
def searching(tmp_path):
    def searching(objects):
        journal = tmp_path / "audit" / "gateway-1"
        return Searching(journal, instance="gateway-1", objects=objects, copies=tmp_path / "copies")

    return searching


def places(page):
    return sorted((one.instance, one.seq) for one in page.events)


async def test_without_an_archive_the_journal_is_searched(searching, objects):
    page = await searching(None).find(Question(), ["gateway-1", "gateway-2"])
    assert places(page) == [("gateway-1", n) for n in range(1, 6)]


async def test_the_archive_and_what_it_lacks_are_searched_once(searching, objects):
    page = await searching(objects).find(Question(), ["gateway-1"])
    assert places(page) == [("gateway-1", n) for n in range(1, 6)]


async def test_other_instances_are_searched_where_they_are_named(searching, objects):
    assert places(await searching(objects).find(Question(), ["gateway-2"])) == [("gateway-2", n) for n in range(1, 5)]


async def test_only_days_that_are_asked_for_are_fetched(searching, objects):
    east = timezone(timedelta(hours=5))
    asked = Question(since=DAYS[1].astimezone(east), until=DAYS[1].astimezone(east) + timedelta(hours=1))
    assert places(await searching(objects).find(asked, ["gateway-2"])) == [("gateway-2", 3)]
    assert objects.fetched == 1
    assert await searching(objects).find(asked, ["gateway-2"])
    assert objects.fetched == 1


async def test_what_a_page_does_not_need_is_not_fetched(searching, objects, monkeypatch):
    monkeypatch.setattr(parquet, "_FIRST_LOOK", 1)
    monkeypatch.setattr(parquet, "_LONGEST_LOOK", 1)
    page = await searching(objects).find(Question(limit=1), ["gateway-2"])
    assert places(page) == [("gateway-2", 4)]
    assert objects.fetched == 2  # one event more tells that there is a next page, and it may be of the day before
    page = await searching(objects).find(Question(limit=1, after=str(page.next)), ["gateway-2"])
    assert places(page) == [("gateway-2", 3)]
    assert objects.fetched == 3


async def test_what_the_archive_has_no_more_is_not_answered_from_a_copy(searching, objects, tmp_path):
    await searching(objects).find(Question(), ["gateway-2"])
    assert places(await searching(MemoryObjectStore()).find(Question(), ["gateway-2"])) == []
    assert not list((tmp_path / "copies" / "events" / "gateway-2").rglob("*.parquet"))
