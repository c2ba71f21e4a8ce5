import random

import pytest

from gateway.catalog import manifest
from gateway.catalog.boundaries import Boundaries, Shape
from gateway.catalog.builder import build
from gateway.catalog.difference import Change, differences

pytestmark = pytest.mark.anyio
SMALL = Shape(Boundaries(smallest=2, mean=6, largest=12), Boundaries(smallest=2, mean=4, largest=8))
PATHS = [f"{number:04}" for number in range(1000)]


@pytest.fixture
def built(entry, packs, pages):
    async def make(contents, push_id, known=None):
        files = [entry(path, content) for path, content in sorted(contents.items())]
        return (await build(files, packs, push_id=push_id * 16, known=known, shape=SMALL)).root

    return make


async def told(old, new, pages):
    return {found.path: found.change async for found in differences(old, new, pages)}


@pytest.mark.parametrize("seed", range(5))
async def test_it_says_what_comparing_every_file_says(built, pages, seed):
    chance = random.Random(seed)  # noqa: S311 -- no secret
    before = {path: "old" for path in PATHS if chance.random() < 0.9}
    after = {path: chance.choice(["old"] * 20 + ["new"]) for path in PATHS if chance.random() < 0.95 or path in before}
    for path in chance.sample(sorted(before), 20):
        after.pop(path, None)
    expected = dict.fromkeys(after.keys() - before.keys(), Change.ADDED)
    expected |= dict.fromkeys(before.keys() - after.keys(), Change.REMOVED)
    expected |= {path: Change.CHANGED for path in before.keys() & after.keys() if before[path] != after[path]}
    old, new = await built(before, "0a"), await built(after, "0b")
    found = await told(old, new, pages)
    assert found == expected
    assert list(found) == sorted(found)


async def test_versions_that_are_the_same_are_not_read_at_all(built, pages):
    old, new = await built(dict.fromkeys(PATHS, "a"), "0a"), await built(dict.fromkeys(PATHS, "a"), "0b")
    assert await told(old, new, pages) == {}
    assert pages.loaded == []


async def test_one_change_costs_a_page_a_level_of_each_side(built, pages):
    old = await built(dict.fromkeys(PATHS, "a"), "0a")
    new = await built(dict.fromkeys(PATHS, "a") | {"0500": "b"}, "0b")
    assert await told(old, new, pages) == {"0500": Change.CHANGED}
    looked = len(pages.loaded)
    pages.loaded.clear()
    await manifest.lookup(old, "0500", pages)
    assert looked == 2 * len(pages.loaded)


@pytest.mark.parametrize("turned", [False, True])
async def test_all_files_come_from_nothing_and_go_to_nothing(built, pages, turned):
    none, some = await built({}, "0a"), await built(dict.fromkeys(PATHS, "a"), "0b")
    change = Change.REMOVED if turned else Change.ADDED
    assert await told(*((some, none) if turned else (none, some)), pages) == dict.fromkeys(PATHS, change)
