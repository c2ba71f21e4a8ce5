from dataclasses import replace

import pytest

from gateway.catalog import manifest
from gateway.catalog.boundaries import Boundaries, Shape
from gateway.catalog.cache import CachedPages, PageCache
from gateway.catalog.page import Index, decode
from gateway.errors import IntegrityError, InvalidInput, InvalidPath, UnknownPath

pytestmark = pytest.mark.anyio
SMALL = Shape(Boundaries(smallest=2, mean=6, largest=12), Boundaries(smallest=2, mean=4, largest=8))
PATHS = [f"{folder}/{number:03}" for folder in ("a", "b", "c") for number in range(200)]


@pytest.fixture
async def root(entry, pages):
    return (await manifest.build(map(entry, PATHS), pages, shape=SMALL)).digest


def depth(pages, digest):
    page = decode(pages.stored[digest])
    return 1 + depth(pages, page.children[0].digest) if isinstance(page, Index) else 1


@pytest.mark.parametrize("paths", [["b", "a"], ["a", "a"], ["a", "a/b"], ["A", "a"]])
async def test_lists_that_no_folder_could_hold_are_refused(entry, pages, paths):
    with pytest.raises(InvalidPath):
        await manifest.build(map(entry, paths), pages)


async def test_an_entry_that_does_not_fit_is_refused(entry, pages):
    with pytest.raises(InvalidInput):
        await manifest.build([replace(entry("a"), size=-1)], pages)


@pytest.mark.parametrize("path", ["", "a", "a/000/x", "a/0005", "b/", "c/200", "zzz", "A"])
async def test_a_path_that_is_not_listed_is_unknown(pages, root, path):
    with pytest.raises(UnknownPath):
        await manifest.lookup(root, path, pages)


async def test_a_page_that_was_altered_is_never_read(pages, root):
    pages.stored[root] = pages.stored[root][:-1] + b"x"
    with pytest.raises(IntegrityError):
        await manifest.lookup(root, PATHS[0], pages)


async def test_a_version_without_files_is_one_page(pages):
    root = await manifest.build([], pages)
    assert (root.file_count, root.total_bytes, len(pages.stored)) == (0, 0, 1)
    assert await manifest.list_files(root.digest, pages) == []
    with pytest.raises(UnknownPath):
        await manifest.lookup(root.digest, "a", pages)


async def test_the_root_counts_every_file(entry, pages):
    files = [entry(path, content="x" * number) for number, path in enumerate(PATHS)]
    root = await manifest.build(files, pages, shape=SMALL)
    assert (root.file_count, root.total_bytes) == (600, sum(range(600)))


async def test_files_may_come_as_a_stream(entry, pages, root):
    async def stream():
        for path in PATHS:
            yield entry(path)

    assert (await manifest.build(stream(), pages, shape=SMALL)).digest == root


async def test_every_file_is_found_by_reading_one_page_a_level(entry, pages, root):
    assert depth(pages, root) >= 4
    for path in PATHS:
        pages.asked_for.clear()
        assert await manifest.lookup(root, path, pages) == entry(path)
        assert len(pages.asked_for) == depth(pages, root)


async def test_reading_again_takes_no_page_from_the_store(pages, root):
    cached = CachedPages(pages, PageCache())
    await manifest.lookup(root, PATHS[300], cached)
    pages.asked_for.clear()
    await manifest.lookup(root, PATHS[300], cached)
    assert pages.asked_for == []


async def test_listing_goes_on_where_it_stopped(entry, pages, root):
    found, after = [], ""
    while stretch := await manifest.list_files(root, pages, after=after, limit=70):
        assert len(stretch) == 70 or stretch[-1].path == PATHS[-1]
        found += stretch
        after = stretch[-1].path
    assert found == list(map(entry, PATHS))


@pytest.mark.parametrize(
    ("prefix", "after", "expected"),
    [
        ("b/", "", PATHS[200:400]),
        ("b/", "b/100", PATHS[301:400]),
        ("b/", "a/100", PATHS[200:400]),
        ("b/", "c/100", []),
        ("b/19", "", PATHS[390:400]),
        ("b/199", "", ["b/199"]),
        ("b/199", "b/199", []),
        ("", "c/198", ["c/199"]),
        ("d", "", []),
        ("0", "", []),
    ],
)
async def test_a_prefix_and_a_start_select_a_stretch(pages, root, prefix, after, expected):
    found = await manifest.list_files(root, pages, prefix=prefix, after=after)
    assert [entry.path for entry in found] == expected


async def test_the_first_files_take_no_more_than_their_pages(pages, root):
    pages.asked_for.clear()
    await manifest.list_files(root, pages, limit=1)
    assert len(pages.asked_for) == depth(pages, root)


async def test_a_prefix_takes_no_pages_past_its_files(pages, root):
    await manifest.list_files(root, pages, prefix="b/100")
    assert len(pages.asked_for) <= depth(pages, root) + 1


async def test_batches_hold_every_file_once_and_are_never_empty(entry, pages, root):
    seen = [batch async for batch in manifest.batches(root, pages)]
    assert all(seen)
    assert [found for batch in seen for found in batch] == list(map(entry, PATHS))


async def test_a_changed_file_rewrites_its_leaf_and_the_pages_above(entry, pages, root):
    before = set(pages.stored)
    files = [entry(path, content="new" if path == "b/077" else "content") for path in PATHS]
    changed = await manifest.build(files, pages, shape=SMALL)
    assert len(set(pages.stored) - before) == depth(pages, changed.digest) == depth(pages, root)
