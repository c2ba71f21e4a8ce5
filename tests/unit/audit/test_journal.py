import asyncio
import errno
import json
import os
import threading

import pytest

from gateway.audit.chain import verify
from gateway.audit.journal import Journal
from gateway.audit.record import parse
from gateway.audit.segments import list_segments, read_lines
from gateway.audit.writer import data_sync
from gateway.errors import JournalUnavailable

pytestmark = pytest.mark.anyio


class Disk:
    """Counts syncs, and fails while told to."""

    def __init__(self):
        self.failing = False
        self.syncs = 0
        self.held = threading.Event()
        self.held.set()

    def __call__(self, file):
        self.held.wait()
        if self.failing:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self.syncs += 1
        data_sync(file)


@pytest.fixture
def disk():
    return Disk()


@pytest.fixture
def make(tmp_path, clock, disk):
    return lambda **options: Journal(tmp_path, instance="gateway-1", clock=clock, sync=disk, **options)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "gateway-1"


def events_of(folder):
    verify(read_lines(folder))
    return [parse(line).read_event() for line in read_lines(folder)]


def uids(folder):
    return [event["metadata"]["uid"] for event in events_of(folder)]


async def test_nothing_is_appended_before_open_or_after_close(make, an_event):
    journal = make()
    for _ in range(2):
        with pytest.raises(JournalUnavailable, match="not open"):
            await journal.append(an_event())
        with pytest.raises(JournalUnavailable, match="not open"):
            await journal.check()
        await journal.close()
        async with journal:
            pass


async def test_a_failing_disk_refuses_all_who_wait_and_all_new_ones_until_it_works(make, folder, disk, an_event):
    async with make() as journal:
        first = await journal.append(an_event())
        disk.failing = True
        for _ in range(2):
            refused = await asyncio.gather(*(journal.append(an_event()) for _ in range(5)), return_exceptions=True)
            assert [type(error) for error in refused] == [JournalUnavailable] * 5
            assert len({id(error) for error in refused}) == 5
        with pytest.raises(JournalUnavailable, match="Input/output error"):
            await journal.check()
        disk.failing = False
        await journal.check()
        second = await journal.append(an_event())
    assert uids(folder)[1:-1] == [first, second]


async def test_a_failure_of_another_kind_leaves_nobody_waiting(make, disk, an_event):
    async with make() as journal:
        disk.held = None
        with pytest.raises(JournalUnavailable, match="failed: AttributeError"):
            await journal.append(an_event())
        disk.held = threading.Event()
        disk.held.set()


async def test_an_event_without_a_uid_or_encoding_is_refused_before_it_is_written(make, folder, an_event):
    async with make() as journal:
        with pytest.raises(ValueError, match=r"metadata\.uid"):
            await journal.append({"n": 1})
        with pytest.raises(TypeError):
            await journal.append(an_event() | {"unmapped": object()})
    assert len(events_of(folder)) == 2


async def test_one_instance_has_one_writer(make):
    async with make():
        with pytest.raises(JournalUnavailable, match="another process"):
            await make().open()


async def test_a_disk_that_fails_at_start_and_at_stop_hinders_neither(make, folder, disk, an_event):
    disk.failing = True
    async with make() as journal:
        with pytest.raises(JournalUnavailable):
            await journal.append(an_event())
    disk.failing = False
    async with make() as journal:
        await journal.append(an_event())
        disk.failing = True
    assert [event["class_name"] for event in events_of(folder)] == ["Application Lifecycle", "API Activity"]


async def test_an_append_returns_after_its_sync_and_not_before(make, folder, disk, an_event):
    async with make() as journal:
        disk.held.clear()
        waiting = asyncio.create_task(journal.append(an_event()))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        assert await journal.lines(after=1, limit=10) == []
        disk.held.set()
        assert await waiting == uids(folder)[1]


async def test_events_that_wait_share_a_sync(make, disk, an_event):
    async with make() as journal:
        before = disk.syncs
        await asyncio.gather(*(journal.append(an_event()) for _ in range(500)))
        assert disk.syncs - before <= 3


async def test_a_caller_who_goes_away_takes_nobody_along(make, folder, disk, an_event):
    async with make() as journal:
        disk.held.clear()
        gone = asyncio.create_task(journal.append(an_event()))
        stays = asyncio.create_task(journal.append(an_event()))
        await asyncio.sleep(0.02)
        gone.cancel()
        await asyncio.sleep(0)
        disk.held.set()
        assert await stays in uids(folder)
    assert len(events_of(folder)) == 4


async def test_events_of_one_append_stand_together_in_their_order(make, folder, an_event):
    async with make() as journal:
        groups = await asyncio.gather(*(journal.append_all([an_event() for _ in range(20)]) for _ in range(5)))
    assert uids(folder)[1:-1] == [uid for group in groups for uid in group]


async def test_close_writes_what_waits(make, folder, an_event):
    journal = make()
    await journal.open()
    waiting = [asyncio.create_task(journal.append(an_event())) for _ in range(10)]
    await asyncio.sleep(0)
    await journal.close()
    assert set(await asyncio.gather(*waiting)) <= set(uids(folder))


async def test_start_and_stop_are_recorded_and_the_chain_goes_on(make, folder, an_event):
    for _ in range(2):
        async with make(segment_bytes=1000) as journal:
            await journal.append(an_event())
    assert [event["activity_name"] for event in events_of(folder)] == ["Start", "Read", "Stop"] * 2


async def test_a_torn_tail_is_recorded(make, folder, an_event):
    async with make() as journal:
        await journal.append(an_event())
    with list_segments(folder)[0].open("ab") as segment:
        segment.write(b'{"seq":4,"pr')
    async with make():
        pass
    started = events_of(folder)[3]
    assert started["unmapped"]["torn"]["bytes"] == 12
    assert "12 half-written bytes were cut" in started["message"]


async def test_lines_are_paged(make, folder, an_event):
    async with make(segment_bytes=2000) as journal:
        for _ in range(20):
            await journal.append(an_event())
        pages = [await journal.lines(after=after, limit=8) for after in (0, 8, 16, 24)]
        assert [len(page) for page in pages] == [8, 8, 5, 0]
        assert [json.loads(line)["seq"] for page in pages for line in page] == list(range(1, 22))


async def test_the_last_lines_are_counted_from_the_end(make, an_event):
    async with make() as journal:
        for _ in range(4):
            await journal.append(an_event())
        assert [parse(line).seq for line in await journal.lines(after=-2, limit=10)] == [4, 5]
        assert len(await journal.lines(after=-100, limit=10)) == 5


async def test_lines_that_cannot_be_read_are_said_so(make, folder, an_event):
    async with make() as journal:
        list_segments(folder)[0].rename(folder / "away")
        (folder / "0000000000000001.ndjson").mkdir()
        with pytest.raises(JournalUnavailable, match="cannot be read"):
            await journal.lines(after=0, limit=1)
