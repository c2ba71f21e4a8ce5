"""Manifests behave as a sorted dict does, and share pages when lists of files share files."""

import asyncio
import hashlib

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.catalog import manifest
from gateway.catalog.boundaries import Boundaries, Shape
from gateway.catalog.builder import build as build_manifest
from gateway.catalog.cache import PageCache, Pages
from gateway.catalog.page import Leaf, decode, encode
from gateway.errors import IntegrityError, UnknownPath
from gateway.model import FileEntry

SMALL = Shape(Boundaries(smallest=2, mean=4, largest=8), Boundaries(smallest=2, mean=4, largest=8))
# No segment is another but for case, and 'd…' names folders alone, so that any set of these paths is one tree.
segments = st.text("abcé0.-", min_size=1, max_size=3)
paths = st.lists(segments.map("d{}".format), max_size=3).flatmap(
    lambda folders: segments.map(lambda name: "/".join([*folders, "f" + name]))
)
path_sets = st.sets(paths, max_size=120)


class Packs(dict):
    """A pack store in memory."""

    async def get(self, pack):
        return self[pack]

    async def put(self, pack, content):
        self[pack] = content


def file(path, content=""):
    digest = hashlib.sha256(f"{path} {content}".encode()).hexdigest()
    return FileEntry(path, len(path), digest, "0/0", 1, digest[:32])


def run(coroutine):
    return asyncio.run(coroutine)


async def build(entries, packs, known=None):
    ordered = sorted(entries, key=lambda e: e.path.encode())
    return await build_manifest(ordered, packs, push_id="0f" * 16, known=known, shape=SMALL)


@given(path_sets, st.lists(paths, max_size=10))
def test_lookup_agrees_with_a_dict(listed, asked):
    files = {path: file(path) for path in listed}

    async def look():
        packs = Packs()
        root, pages = (await build(files.values(), packs)).root, Pages(packs, PageCache())
        for path in [*listed, *asked]:
            try:
                found = await manifest.lookup(root, path, pages)
            except UnknownPath:
                found = None
            assert found == files.get(path)

    run(look())


@given(path_sets, st.one_of(st.just(""), segments, paths), st.one_of(st.just(""), paths), st.integers(1, 130))
def test_listing_agrees_with_a_sorted_list(listed, prefix, after, limit):
    async def find():
        packs = Packs()
        root = (await build(map(file, listed), packs)).root
        pages = Pages(packs, PageCache())
        return await manifest.list_files(root, pages, prefix=prefix, after=after, limit=limit)

    expected = sorted(path for path in listed if path.startswith(prefix) and path > after)[:limit]
    assert [entry.path for entry in run(find())] == expected


@given(path_sets.filter(bool), st.data())
def test_one_changed_file_rewrites_one_page_a_level(listed, data):
    changed = data.draw(st.sampled_from(sorted(listed)))

    async def rebuild():
        packs = Packs()
        before = await build(map(file, listed), packs)
        known = await manifest.known_places([before.root], Pages(packs, PageCache()))
        return await build((file(path, "new" if path == changed else "") for path in listed), packs, known)

    levels = 1 + max(1, len(listed)).bit_length()
    assert 1 <= run(rebuild()).pages_added <= levels


@given(path_sets.filter(bool), paths)
def test_the_digest_covers_every_path(listed, path):
    with_it, without = listed | {path}, listed - {path}
    digests = [run(build(map(file, some), Packs())).root.digest for some in (with_it, without)]
    assert len(set(digests)) == 2


@given(st.lists(st.builds(file, paths), unique_by=lambda entry: entry.path, max_size=20))
def test_pages_round_trip(entries):
    leaf = Leaf(tuple(sorted(entries)))
    assert decode(encode(leaf)) == leaf


@settings(max_examples=300)
@given(
    st.lists(st.builds(file, paths), unique_by=lambda entry: entry.path, max_size=4),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=3),
)
def test_altered_bytes_are_refused_or_are_their_own_encoding(entries, changes):
    encoded = bytearray(encode(Leaf(tuple(sorted(entries)))))
    for at, value in changes:
        encoded[at % len(encoded)] = value
    try:
        page = decode(bytes(encoded))
    except IntegrityError:
        return
    assert encode(page) == encoded
