import asyncio

import pytest

from gateway.catalog.builder import build
from gateway.catalog.cache import PageCache, Pages, Recent
from gateway.catalog.page import Child
from gateway.errors import IntegrityError

pytestmark = pytest.mark.anyio


def test_the_cache_never_holds_more_than_its_bytes():
    cache = Recent(100)
    for number in range(10):
        cache.put(str(number), "page", 30)
        assert cache.bytes <= 100
    assert [number for number in range(10) if cache.get(str(number))] == [7, 8, 9]


def test_what_is_larger_than_the_cache_is_not_kept():
    cache = Recent(100)
    cache.put("large", "page", 101)
    assert cache.get("large") is None
    assert cache.bytes == 0


def test_what_was_used_last_stays():
    cache = Recent(60)
    cache.put("old", "page", 30)
    cache.put("new", "page", 30)
    cache.get("old")
    cache.put("newer", "page", 30)
    assert cache.get("old") == "page"
    assert cache.get("new") is None


def test_what_is_put_twice_counts_once():
    cache = Recent(60)
    cache.put("one", "page", 30)
    cache.put("one", "page", 30)
    assert cache.bytes == 30


@pytest.fixture
async def root(entry, packs, push_id):
    return (await build([entry("a")], packs, push_id=push_id)).root


async def test_a_page_that_nobody_knows_the_place_of_is_not_read(packs):
    with pytest.raises(IntegrityError, match="where"):
        await Pages(packs, PageCache()).load(Child("", 0, 0, "0" * 64))


async def test_a_pack_is_fetched_once_for_all_who_ask_at_the_same_time(packs, root):
    pages = Pages(packs, PageCache())
    first, *others = await asyncio.gather(*(pages.load(root) for _ in range(5)))
    assert packs.asked_for == [root.place.pack]
    assert all(other.entries == first.entries for other in others)


async def test_a_page_is_fetched_once_for_all_requests(packs, root):
    cache = PageCache(pack_bytes=0)
    for _ in range(3):
        await Pages(packs, cache).load(root)
    assert packs.asked_for == [root.place.pack]


async def test_what_was_expected_and_failed_fails_again_for_who_asks(packs, root):
    pages = Pages(packs, PageCache())
    packs.stored[root.place.pack] += b"x"
    pages.expect(root)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    with pytest.raises(IntegrityError, match="altered"):
        await pages.load(root)


async def test_who_goes_away_takes_no_pack_from_those_who_wait(packs, root):
    pages = Pages(packs, PageCache())
    first, second = (asyncio.create_task(pages.load(root)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).entries
