from dataclasses import replace

import pytest

from gateway.catalog import manifest
from gateway.catalog.boundaries import Boundaries, Shape
from gateway.catalog.builder import build
from gateway.catalog.cache import PageCache, Pages
from gateway.catalog.page import Index
from gateway.errors import IntegrityError, InvalidInput, InvalidPath, StorageUnavailable, UnknownPath

pytestmark = pytest.mark.anyio
SMALL = Shape(Boundaries(smallest=2, mean=6, largest=12), Boundaries(smallest=2, mean=4, largest=8))
PATHS = [f"{folder}/{number:03}" for folder in ("a", "b", "c") for number in range(200)]


@pytest.fixture
async def root(entry, packs, push_id):
    return (await build(map(entry, PATHS), packs, push_id=push_id, shape=SMALL)).root


async def depth(packs, root):
    page = await Pages(packs, PageCache()).load(root)
    return 1 + await depth(packs, page.children[0]) if isinstance(page, Index) else 1


@pytest.mark.parametrize("paths", [["b", "a"], ["a", "a"], ["a", "a/b"], ["A", "a"]])
async def test_lists_that_no_folder_could_hold_are_refused(entry, packs, push_id, paths):
    with pytest.raises(InvalidPath):
        await build(map(entry, paths), packs, push_id=push_id)


async def test_an_entry_that_does_not_fit_is_refused(entry, packs, push_id):
    with pytest.raises(InvalidInput):
        await build([replace(entry("a"), size=-1)], packs, push_id=push_id)


async def test_a_store_that_fails_fails_the_build(entry, packs, push_id, monkeypatch):
    async def put(pack, content):
        raise StorageUnavailable("away")

    monkeypatch.setattr(packs, "put", put)
    with pytest.raises(StorageUnavailable):
        await build(map(entry, PATHS), packs, push_id=push_id, shape=SMALL)


@pytest.mark.parametrize("path", ["", "a", "a/000/x", "a/0005", "b/", "c/200", "zzz", "A"])
async def test_a_path_that_is_not_listed_is_unknown(pages, root, path):
    with pytest.raises(UnknownPath):
        await manifest.lookup(root, path, pages)


async def test_a_page_that_was_altered_is_never_read(packs, pages, root):
    packs.stored[root.place.pack] = packs.stored[root.place.pack][:-1] + b"x"
    with pytest.raises(IntegrityError):
        await manifest.lookup(root, PATHS[0], pages)


async def test_a_page_in_the_place_of_another_is_never_read(packs, pages, root):
    index = await pages.load(root)
    astray = replace(index.children[0], place=index.children[1].place)
    with pytest.raises(IntegrityError, match="other content"):
        await pages.load(astray)


async def test_a_version_without_files_is_one_page(packs, pages, push_id):
    built = await build([], packs, push_id=push_id)
    assert (built.root.file_count, built.root.total_bytes, len(packs.stored)) == (0, 0, 1)
    assert await manifest.list_files(built.root, pages) == []
    with pytest.raises(UnknownPath):
        await manifest.lookup(built.root, "a", pages)


async def test_the_root_counts_every_file(entry, packs, push_id):
    files = [entry(path, content="x" * number) for number, path in enumerate(PATHS)]
    root = (await build(files, packs, push_id=push_id, shape=SMALL)).root
    assert (root.file_count, root.total_bytes) == (600, sum(range(600)))


async def test_files_may_come_as_a_stream(entry, packs, push_id, root):
    async def stream():
        for path in PATHS:
            yield entry(path)

    assert (await build(stream(), packs, push_id=push_id, shape=SMALL)).root == root


async def test_every_file_is_found_by_reading_one_page_a_level(entry, packs, pages, root):
    levels = await depth(packs, root)
    assert levels >= 4
    for path in PATHS:
        pages.loaded.clear()
        assert await manifest.lookup(root, path, pages) == entry(path)
        assert len(pages.loaded) == levels


async def test_reading_again_takes_nothing_from_the_store(packs, root):
    cached = Pages(packs, PageCache())
    await manifest.lookup(root, PATHS[300], cached)
    packs.asked_for.clear()
    await manifest.lookup(root, PATHS[300], cached)
    assert packs.asked_for == []


async def test_the_pages_of_a_version_lie_in_few_packs(packs, root):
    assert len(packs.stored) == await depth(packs, root)


async def test_the_root_has_a_pack_of_its_own(packs, root):
    assert (root.place.start, root.place.size) == (0, len(packs.stored[root.place.pack]))


async def test_the_next_pack_is_fetched_while_one_is_read(entry, packs, push_id, monkeypatch):
    monkeypatch.setattr("gateway.catalog.packer.PACK_BYTES", 1 << 12)
    root = (await build(map(entry, PATHS), packs, push_id=push_id, shape=SMALL)).root
    assert len(packs.stored) > 10
    listing = manifest.batches(root, Pages(packs, PageCache()))
    assert len(await anext(listing)) == len(PATHS)
    assert len(packs.asked_for) == len(set(packs.asked_for)) == len(packs.stored)
    await listing.aclose()


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


async def test_the_first_files_take_no_more_than_their_pages(packs, pages, root):
    await manifest.list_files(root, pages, limit=1)
    assert len(pages.loaded) == await depth(packs, root)


async def test_a_prefix_takes_no_pages_past_its_files(packs, pages, root):
    await manifest.list_files(root, pages, prefix="b/100")
    assert len(pages.loaded) <= await depth(packs, root) + 1


async def test_batches_hold_every_file_once_and_are_never_empty(entry, pages, root):
    seen = [batch async for batch in manifest.batches(root, pages)]
    assert all(seen)
    assert [found for batch in seen for found in batch] == list(map(entry, PATHS))


async def test_a_changed_file_rewrites_its_leaf_and_the_pages_above(entry, packs, pages, root):
    known = await manifest.known_places([root], pages)
    files = [entry(path, content="new" if path == "b/077" else "content") for path in PATHS]
    changed = await build(files, packs, push_id="1f" * 16, known=known, shape=SMALL)
    assert changed.pages_added == await depth(packs, changed.root) == await depth(packs, root)
    assert [found async for batch in manifest.batches(changed.root, pages) for found in batch] == files


async def test_all_pages_but_the_root_are_known_without_reading_a_leaf_but_one(packs, pages, root):
    known = await manifest.known_places([root], pages)
    loaded = set(pages.loaded)
    leaves = [digest for digest in loaded if digest in known and not await is_index(packs, digest, known[digest])]
    assert len(leaves) == 1
    assert len(known) > 100


async def is_index(packs, digest, place):
    return packs.stored[place.pack][place.start + 4 : place.start + 5] == b"I"


async def test_a_version_of_one_page_that_is_known_gets_a_root_of_its_own(entry, packs, pages, push_id, root):
    known = await manifest.known_places([root], pages)
    few = await manifest.list_files(root, pages, limit=12)
    leaf = await pages.load(root)
    while isinstance(leaf, Index):
        leaf = await pages.load(leaf.children[0])
    again = await build(leaf.entries, packs, push_id="2f" * 16, known=known, shape=SMALL)
    assert again.root.place.pack.startswith("2f")
    assert await manifest.list_files(again.root, pages) == few[: len(leaf.entries)]
