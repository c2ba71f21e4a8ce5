"""Makes a version's manifest: a tree of pages whose root covers every file. Equal lists of files give equal digests."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass

from anyio.lowlevel import checkpoint

from gateway.catalog.boundaries import VERSION_1, Boundaries, Shape
from gateway.catalog.names import NameCheck
from gateway.catalog.packer import Packer
from gateway.catalog.page import Child, Index, Leaf, Place
from gateway.model import FileEntry
from gateway.ports import PackStore

_YIELD_AFTER = 512
"""Files after which others get their turn: a long commit must not stop the gateway's other work."""


@dataclass(frozen=True, slots=True)
class Built:
    """A manifest that was written."""

    root: Child
    pages_added: int
    """Pages that were not among those known."""

    @property
    def pack(self) -> str:
        """Where the root page is."""
        return self.root.place.pack if self.root.place else ""


async def build(
    entries: Iterable[FileEntry] | AsyncIterable[FileEntry],
    packs: PackStore,
    *,
    push_id: str,
    known: Mapping[str, Place] | None = None,
    shape: Shape = VERSION_1,
) -> Built:
    """Write the manifest of these files, which come sorted by path as UTF-8 bytes.

    Memory is that of a few packs, of the names in the folders that are open, and of one `Child` a page.

    Args:
        entries: The files.
        packs: Where the pages go.
        push_id: Whose packs they are.
        known: Pages, by digest, that need not be written again, and where they are.
        shape: How the list is cut into pages.

    Raises:
        InvalidPath: they are not sorted or not distinct, or no folder could hold them all.
        InvalidInput: a field of an entry does not fit.
    """
    packer = Packer(packs, push_id, known)
    try:
        level = 0
        children = await _write_leaves(_checked(entries), packer, shape.leaves)
        while len(children) > 1:
            level += 1
            children = await _write_indexes(children, packer, shape.indexes, level=level)
        await packer.finish()
    except BaseException:
        await packer.abandon()
        raise
    return Built(children[0], packer.added)


async def _checked(entries: Iterable[FileEntry] | AsyncIterable[FileEntry]) -> AsyncIterator[FileEntry]:
    names = NameCheck()
    count = 0
    async for entry in _each(entries):
        names.add(entry.path)
        yield entry
        count += 1
        if count % _YIELD_AFTER == 0:
            await checkpoint()


async def _each(entries: Iterable[FileEntry] | AsyncIterable[FileEntry]) -> AsyncIterator[FileEntry]:
    if isinstance(entries, AsyncIterable):
        async for entry in entries:
            yield entry
    else:
        for entry in entries:
            yield entry


async def _write_leaves(entries: AsyncIterator[FileEntry], packer: Packer, boundaries: Boundaries) -> Sequence[Child]:
    run: list[FileEntry] = []
    written = False
    async for entry in entries:
        run.append(entry)
        if boundaries.end_after(entry.path, level=0, length=len(run)):
            await _add_leaf(run, packer)
            run, written = [], True
    # A version without files is one empty leaf.
    if run or not written:
        await _add_leaf(run, packer)
    return await packer.end_level()


async def _write_indexes(
    below: Sequence[Child], packer: Packer, boundaries: Boundaries, *, level: int
) -> Sequence[Child]:
    run: list[Child] = []
    for child in below:
        run.append(child)
        if child is below[-1] or boundaries.end_after(child.first, level=level, length=len(run)):
            await _add_index(run, packer)
            run = []
    return await packer.end_level()


async def _add_leaf(entries: Sequence[FileEntry], packer: Packer) -> None:
    first = entries[0].path if entries else ""
    child = Child(first, len(entries), sum(entry.size for entry in entries), "")
    await packer.add(Leaf(tuple(entries)), child)


async def _add_index(children: Sequence[Child], packer: Packer) -> None:
    files = sum(child.file_count for child in children)
    child = Child(children[0].first, files, sum(child.total_bytes for child in children), "")
    await packer.add(Index(tuple(children)), child)
