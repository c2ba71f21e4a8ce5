from datetime import timedelta

import pytest

from gateway.keys.cache import KeyCache

KEY = bytes(range(32))


@pytest.fixture
def cache(clock):
    return KeyCache(clock, capacity=2, lifetime=timedelta(minutes=5))


def held(cache, slot):
    """What the memory holds, now and later, where the key was put."""
    place = cache._entries[slot].place
    return lambda: cache._memory.read(place)


def test_a_key_is_gone_and_overwritten_when_its_time_is_over(cache, clock):
    cache.put(("r", 1), KEY)
    inside = held(cache, ("r", 1))
    clock.advance(minutes=5)
    assert cache.get(("r", 1)) is None
    assert len(cache) == 0
    assert inside() == bytes(32)


def test_an_expired_key_is_overwritten_by_the_next_that_comes(cache, clock):
    cache.put(("r", 1), KEY)
    inside = held(cache, ("r", 1))
    clock.advance(minutes=5)
    cache.put(("s", 1), KEY)
    assert inside() == bytes(32)
    assert len(cache) == 1


def test_a_key_is_there_until_its_time_is_over(cache, clock):
    cache.put(("r", 1), KEY)
    clock.advance(minutes=5, microseconds=-1)
    assert cache.get(("r", 1)) == KEY


def test_use_does_not_prolong_a_keys_time(cache, clock):
    cache.put(("r", 1), KEY)
    clock.advance(minutes=4)
    assert cache.get(("r", 1)) == KEY
    clock.advance(minutes=1)
    assert cache.get(("r", 1)) is None


def test_the_key_unused_for_longest_gives_way_and_is_overwritten(cache):
    cache.put(("a", 1), KEY)
    cache.put(("b", 1), KEY)
    inside = held(cache, ("b", 1))
    cache.get(("a", 1))
    cache.put(("c", 1), bytes(32))
    assert cache.get(("b", 1)) is None
    assert inside() == bytes(32)
    assert cache.get(("a", 1)) == KEY


def test_a_replaced_key_is_overwritten(cache):
    cache.put(("a", 1), KEY)
    inside = held(cache, ("a", 1))
    cache.put(("a", 1), bytes(32))
    assert inside() == bytes(32)


def test_a_dropped_key_is_overwritten_and_no_other(cache):
    cache.put(("a", 1), KEY)
    cache.put(("b", 1), KEY)
    inside = held(cache, ("a", 1))
    cache.drop(("a", 1))
    assert inside() == bytes(32)
    assert cache.get(("b", 1)) == KEY


def test_a_closed_cache_holds_no_key_anywhere(cache):
    for number in range(5):
        cache.put(("r", number), KEY)
    cache.clear()
    assert not any(any(cache._memory.read(place)) for place in range(2))


def test_a_key_of_another_length_is_refused_and_takes_no_place(cache):
    cache.put(("a", 1), KEY)
    with pytest.raises(ValueError, match="32 bytes"):
        cache.put(("b", 1), KEY[:-1])
    assert cache.get(("a", 1)) == KEY
    cache.put(("c", 1), KEY)
    assert cache.get(("a", 1)) == cache.get(("c", 1)) == KEY


def test_a_place_is_used_again_and_again(cache):
    for number in range(100):
        cache.put(("r", number), bytes([number]) * 32)
    assert (len(cache), cache.get(("r", 98)), cache.get(("r", 99))) == (2, bytes([98]) * 32, bytes([99]) * 32)


def test_wiping_does_not_reach_a_callers_copy(cache):
    cache.put(("a", 1), KEY)
    mine = cache.get(("a", 1))
    cache.clear()
    assert mine == KEY
    assert len(cache) == 0
