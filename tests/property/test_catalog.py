"""Manifests behave as a sorted dict does, and share pages when lists of files share files."""

import hashlib

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.catalog import manifest
from gateway.catalog.boundaries import Boundaries, Shape
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


class Pages(dict):
    """A page store in memory."""

    async def get(self, digest):
        return self[digest]

    async def put(self, page):
        digest = hashlib.sha256(page).hexdigest()
        self[digest] = page
        return digest


def file(path, content=""):
    digest = hashlib.sha256(f"{path} {content}".encode()).hexdigest()
    return FileEntry(path, len(path), digest, "0/0", 1, digest[:32])


def run(coroutine):
    """Return what it returns; it needs no event loop, as these pages are never waited for."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits")


def build(entries, pages):
    return run(manifest.build(sorted(entries, key=lambda e: e.path.encode()), pages, shape=SMALL))


@given(path_sets, st.lists(paths, max_size=10))
def test_lookup_agrees_with_a_dict(listed, asked):
    pages = Pages()
    files = {path: file(path) for path in listed}
    root = build(files.values(), pages)

    async def look(path):
        try:
            return await manifest.lookup(root.digest, path, pages)
        except UnknownPath:
            return None

    for path in [*listed, *asked]:
        assert run(look(path)) == files.get(path)


@given(path_sets, st.one_of(st.just(""), segments, paths), st.one_of(st.just(""), paths), st.integers(1, 130))
def test_listing_agrees_with_a_sorted_list(listed, prefix, after, limit):
    pages = Pages()
    root = build(map(file, listed), pages)
    found = run(manifest.list_files(root.digest, pages, prefix=prefix, after=after, limit=limit))
    expected = sorted(path for path in listed if path.startswith(prefix) and path > after)[:limit]
    assert [entry.path for entry in found] == expected


@given(path_sets.filter(bool), st.data())
def test_one_changed_file_rewrites_one_page_a_level(listed, data):
    pages = Pages()
    changed = data.draw(st.sampled_from(sorted(listed)))
    build(map(file, listed), pages)
    before = set(pages)
    build((file(path, "new" if path == changed else "") for path in listed), pages)
    levels = 1 + max(1, len(listed)).bit_length()
    assert 1 <= len(set(pages) - before) <= levels


@given(path_sets.filter(bool), paths)
def test_the_digest_covers_every_path(listed, path):
    with_it, without = listed | {path}, listed - {path}
    assert build(map(file, with_it), Pages()).digest != build(map(file, without), Pages()).digest


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
