import pytest

from gateway.catalog.cache import CachedPages, PageCache
from gateway.catalog.page import Leaf, encode

pytestmark = pytest.mark.anyio
PAGE = Leaf(())


def test_the_cache_never_holds_more_than_its_bytes():
    cache = PageCache(max_bytes=100)
    for number in range(10):
        cache.put(str(number), PAGE, encoded_bytes=30)
        assert cache.encoded_bytes <= 100
    assert [number for number in range(10) if cache.get(str(number))] == [7, 8, 9]


def test_a_page_larger_than_the_cache_is_not_kept():
    cache = PageCache(max_bytes=100)
    cache.put("large", PAGE, encoded_bytes=101)
    assert cache.get("large") is None
    assert cache.encoded_bytes == 0


def test_what_was_used_last_stays():
    cache = PageCache(max_bytes=60)
    cache.put("old", PAGE, encoded_bytes=30)
    cache.put("new", PAGE, encoded_bytes=30)
    cache.get("old")
    cache.put("newer", PAGE, encoded_bytes=30)
    assert cache.get("old") is PAGE
    assert cache.get("new") is None


def test_a_page_put_twice_counts_once():
    cache = PageCache(max_bytes=60)
    cache.put("one", PAGE, encoded_bytes=30)
    cache.put("one", PAGE, encoded_bytes=30)
    assert cache.encoded_bytes == 30


async def test_a_page_is_fetched_once_for_all_requests(pages):
    cache = PageCache()
    digest = await CachedPages(pages, cache).put(encode(PAGE))
    assert [await CachedPages(pages, cache).load(digest) for _ in range(3)] == [PAGE] * 3
    assert pages.asked_for == [digest]


async def test_bytes_go_through_to_the_store(pages):
    cached = CachedPages(pages, PageCache())
    digest = await cached.put(encode(PAGE))
    assert await cached.get(digest) == encode(PAGE) == pages.stored[digest]
