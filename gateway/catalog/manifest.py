"""A version's manifest, read: a tree of pages whose root covers every file. `builder` makes it, FORMAT.md specifies it.

Reading takes one page a level of the tree and, for a stretch of files, the pages that hold it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Self

from gateway.catalog.cache import Pages
from gateway.catalog.page import Child, Index, Leaf, Place
from gateway.errors import UnknownPath
from gateway.model import FileEntry, Version

BATCH = 1000
"""Files that are handed on together."""


def root_of(version: Version) -> Child:
    """Return a version's root page, as if another page told of it."""
    digest = version.digest.removeprefix("sha256:")
    return Child("", version.file_count, version.total_bytes, digest, Place(version.pack))


async def lookup(root: Child, path: str, pages: Pages) -> FileEntry:
    """Return one file of the manifest with this root page.

    Raises:
        UnknownPath: it has no such file.
        IntegrityError: a page is not what was stored.
    """
    page = await pages.load(root)
    while isinstance(page, Index):
        page = await pages.load(page.children[_child_for(page, path)])
    at = bisect_left(page.entries, path, key=_path)
    if at < len(page.entries) and page.entries[at].path == path:
        return page.entries[at]
    raise UnknownPath(f"This version has no file {path[:80]!r}.", hint="'gateway ls' lists its files.")


async def list_files(
    root: Child, pages: Pages, *, prefix: str = "", after: str = "", limit: int = BATCH
) -> list[FileEntry]:
    """Return the first `limit` files whose paths start with `prefix` and sort after `after`.

    The last one's path is the next call's `after`; fewer than `limit` are the last ones.
    """
    found: list[FileEntry] = []
    async with aclosing(_stretches(root, pages, prefix, after)) as stretches:
        async for stretch in stretches:
            found.extend(stretch[: limit - len(found)])
            if len(found) >= limit:
                break
    return found


async def batches(
    root: Child, pages: Pages, *, prefix: str = "", after: str = ""
) -> AsyncGenerator[Sequence[FileEntry], None]:
    """Yield all files whose paths start with `prefix` and sort after `after`, in order, `BATCH` at a time."""
    batch: list[FileEntry] = []
    async with aclosing(_stretches(root, pages, prefix, after)) as stretches:
        async for stretch in stretches:
            batch.extend(stretch)
            while len(batch) >= BATCH:
                yield batch[:BATCH]
                del batch[:BATCH]
    if batch:
        yield batch


async def _stretches(root: Child, pages: Pages, prefix: str, after: str) -> AsyncGenerator[Sequence[FileEntry], None]:
    """Yield the same files, a leaf's worth at a time, never none."""
    start = max(prefix, after)
    async for leaf in _Leaves(root, start, pages):
        # `after` itself is left out; `prefix` may be a file's whole path, which is not.
        first = (bisect_right if start == after else bisect_left)(leaf.entries, start, key=_path)
        rest = leaf.entries[first:]
        stretch = [entry for entry in rest if entry.path.startswith(prefix)] if prefix else rest
        if stretch:
            yield stretch
        # Paths with one prefix are neighbours, so the first one past them ends the search.
        if len(stretch) < len(rest):
            return


class _Leaves:
    """Iterates over the leaf that holds `start`, or would, and those after it."""

    def __init__(self, root: Child, start: str, pages: Pages) -> None:
        self._waiting = [root]
        self._start = start
        self._pages = pages
        self._pack: str | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Leaf:
        while self._waiting:
            child = self._waiting.pop()
            self._look_ahead(child)
            page = await self._pages.load(child)
            if isinstance(page, Leaf):
                return page
            self._waiting.extend(reversed(page.children[_child_for(page, self._start) :]))
        raise StopAsyncIteration

    def _look_ahead(self, child: Child) -> None:
        """When a pack is begun, let the next one be fetched while this one is read."""
        pack = child.place.pack if child.place else None
        if pack != self._pack:
            self._pack = pack
            following = (c for c in reversed(self._waiting) if c.place and c.place.pack != pack)
            if upcoming := next(following, None):
                self._pages.expect(upcoming)


def _child_for(index: Index, path: str) -> int:
    """Return which child holds the path; the first one where it sorts before all of them."""
    return max(bisect_right(index.children, path, key=lambda child: child.first) - 1, 0)


def _path(entry: FileEntry) -> str:
    return entry.path


async def indexes(root: Child, pages: Pages) -> AsyncIterator[Index]:
    """Yield every index page, parents first. No leaf is read but one, which tells how deep they lie."""
    depth = await _depth(root, pages)
    waiting = [(root, depth)] if depth else []
    while waiting:
        child, height = waiting.pop()
        page = await pages.load(child)
        if isinstance(page, Index):
            yield page
            if height > 1:
                waiting.extend((below, height - 1) for below in reversed(page.children))


async def known_places(roots: Sequence[Child], pages: Pages) -> dict[str, Place]:
    """Return where the pages of these manifests are, by digest."""
    known: dict[str, Place] = {}
    for root in roots:
        async for index in indexes(root, pages):
            known.update((child.digest, child.place) for child in index.children if child.place)
    return known


async def _depth(root: Child, pages: Pages) -> int:
    """Return how many levels of index pages there are; all leaves are below the same number of them."""
    depth, page = 0, await pages.load(root)
    while isinstance(page, Index):
        depth, page = depth + 1, await pages.load(page.children[0])
    return depth
