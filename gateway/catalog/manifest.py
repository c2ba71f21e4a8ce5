"""A version's manifest: a tree of pages whose root covers every file. Equal lists of files give equal digests.

A version's digest is `sha256:` and the root page's hex digest. Reading takes one page a level of the tree and, for a
stretch of files, the pages that hold it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Self

from gateway.catalog.boundaries import VERSION_1, Boundaries, Shape
from gateway.catalog.cache import CachedPages
from gateway.catalog.names import NameCheck
from gateway.catalog.page import Child, Index, Leaf, Page, decode, encode
from gateway.errors import UnknownPath
from gateway.model import FileEntry
from gateway.ports import PageStore


@dataclass(frozen=True, slots=True)
class Root:
    """A manifest in three words, as a `Version` has them."""

    digest: str
    """Hex SHA-256 of the root page."""
    file_count: int
    total_bytes: int


async def build(
    entries: Iterable[FileEntry] | AsyncIterable[FileEntry], pages: PageStore, *, shape: Shape = VERSION_1
) -> Root:
    """Write the manifest of these files, which come sorted by path as UTF-8 bytes, and return its root.

    Memory is that of one page, of the names in the folders that are open, and of one `Child` a page.

    Raises:
        InvalidPath: they are not sorted or not distinct, or no folder could hold them all.
        InvalidInput: a field of an entry does not fit.
    """
    children = await _write_leaves(_checked(entries), pages, shape.leaves)
    level = 0
    while len(children) > 1:
        level += 1
        children = await _write_indexes(children, pages, shape.indexes, level=level)
    root = children[0]
    return Root(root.digest, root.file_count, root.total_bytes)


async def lookup(root: str, path: str, pages: PageStore) -> FileEntry:
    """Return one file of the manifest with this root page.

    Raises:
        UnknownPath: it has no such file.
        IntegrityError: a page is not what was stored.
    """
    page = await _load(root, pages)
    while isinstance(page, Index):
        page = await _load(page.children[_child_for(page, path)].digest, pages)
    at = bisect_left(page.entries, path, key=_path)
    if at < len(page.entries) and page.entries[at].path == path:
        return page.entries[at]
    raise UnknownPath(f"This version has no file {path[:80]!r}.", hint="'gateway ls' lists its files.")


async def list_files(
    root: str, pages: PageStore, *, prefix: str = "", after: str = "", limit: int = 1000
) -> list[FileEntry]:
    """Return the first `limit` files whose paths start with `prefix` and sort after `after`.

    The last one's path is the next call's `after`; fewer than `limit` are the last ones.
    """
    found: list[FileEntry] = []
    async with aclosing(batches(root, pages, prefix=prefix, after=after)) as found_batches:
        async for batch in found_batches:
            found.extend(batch[: limit - len(found)])
            if len(found) >= limit:
                break
    return found


async def batches(
    root: str, pages: PageStore, *, prefix: str = "", after: str = ""
) -> AsyncGenerator[Sequence[FileEntry], None]:
    """Yield all files whose paths start with `prefix` and sort after `after`, in order, a page's worth at a time."""
    start = max(prefix, after)
    async for leaf in _Leaves(root, start, pages):
        # `after` itself is left out; `prefix` may be a file's whole path, which is not.
        first = (bisect_right if start == after else bisect_left)(leaf.entries, start, key=_path)
        batch = [entry for entry in leaf.entries[first:] if entry.path.startswith(prefix)]
        if batch:
            yield batch
        # Paths with one prefix are neighbours, so the first one past them ends the search.
        if len(batch) < len(leaf.entries) - first:
            return


class _Leaves:
    """Iterates over the leaf that holds `start`, or would, and those after it."""

    def __init__(self, root: str, start: str, pages: PageStore) -> None:
        self._waiting = [root]
        self._start = start
        self._pages = pages

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Leaf:
        while self._waiting:
            page = await _load(self._waiting.pop(), self._pages)
            if isinstance(page, Leaf):
                return page
            below = page.children[_child_for(page, self._start) :]
            self._waiting.extend(child.digest for child in reversed(below))
        raise StopAsyncIteration


async def _load(digest: str, pages: PageStore) -> Page:
    if isinstance(pages, CachedPages):
        return await pages.load(digest)
    return decode(await pages.get(digest))


def _child_for(index: Index, path: str) -> int:
    """Return which child holds the path; the first one where it sorts before all of them."""
    return max(bisect_right(index.children, path, key=lambda child: child.first) - 1, 0)


def _path(entry: FileEntry) -> str:
    return entry.path


async def _checked(entries: Iterable[FileEntry] | AsyncIterable[FileEntry]) -> AsyncIterator[FileEntry]:
    names = NameCheck()
    async for entry in _each(entries):
        names.add(entry.path)
        yield entry


async def _each(entries: Iterable[FileEntry] | AsyncIterable[FileEntry]) -> AsyncIterator[FileEntry]:
    if isinstance(entries, AsyncIterable):
        async for entry in entries:
            yield entry
    else:
        for entry in entries:
            yield entry


async def _write_leaves(entries: AsyncIterator[FileEntry], pages: PageStore, boundaries: Boundaries) -> list[Child]:
    children: list[Child] = []
    run: list[FileEntry] = []
    async for entry in entries:
        run.append(entry)
        if boundaries.end_after(entry.path, level=0, length=len(run)):
            children.append(await _put_leaf(run, pages))
            run = []
    # A version without files is one empty leaf.
    if run or not children:
        children.append(await _put_leaf(run, pages))
    return children


async def _write_indexes(
    below: Sequence[Child], pages: PageStore, boundaries: Boundaries, *, level: int
) -> list[Child]:
    children: list[Child] = []
    run: list[Child] = []
    for child in below:
        run.append(child)
        if child is below[-1] or boundaries.end_after(child.first, level=level, length=len(run)):
            children.append(await _put_index(run, pages))
            run = []
    return children


async def _put_leaf(entries: Sequence[FileEntry], pages: PageStore) -> Child:
    digest = await pages.put(encode(Leaf(tuple(entries))))
    first = entries[0].path if entries else ""
    return Child(first, len(entries), sum(entry.size for entry in entries), digest)


async def _put_index(children: Sequence[Child], pages: PageStore) -> Child:
    digest = await pages.put(encode(Index(tuple(children))))
    files = sum(child.file_count for child in children)
    return Child(children[0].first, files, sum(child.total_bytes for child in children), digest)
