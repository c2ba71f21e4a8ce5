"""What changed from one version to another. Pages that both have are skipped unread, so it costs what changed."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum

from gateway.catalog.cache import Pages
from gateway.catalog.page import Child, Index
from gateway.model import FileEntry


class Change(StrEnum):
    """What became of a file."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Difference:
    """A file that is not the same in both versions."""

    path: str
    old: FileEntry | None
    new: FileEntry | None

    @property
    def change(self) -> Change:
        """What became of it."""
        if self.old is None:
            return Change.ADDED
        return Change.REMOVED if self.new is None else Change.CHANGED


async def differences(old: Child, new: Child, pages: Pages) -> AsyncIterator[Difference]:
    """Yield the files that differ in content, in the order of their paths. Both versions are of one resource."""
    before, after = _Side(old, pages), _Side(new, pages)
    while (one := before.head) is not None and (other := after.head) is not None:
        if isinstance(one, FileEntry) and isinstance(other, FileEntry):
            if one.path <= other.path:
                before.drop()
            if other.path <= one.path:
                after.drop()
            if found := _compared(one, other):
                yield found
        elif isinstance(one, Child) and isinstance(other, Child) and one.digest == other.digest:
            # Whatever came before is behind us on both sides, so these are the same files at the same place.
            before.drop()
            after.drop()
        else:
            await _open_larger(before, after)
    for side in (before, after):
        async for entry in side.rest():
            yield Difference(entry.path, entry, None) if side is before else Difference(entry.path, None, entry)


async def _open_larger(before: "_Side", after: "_Side") -> None:
    """Open the page that has more files, or both if they have as many: so that pages of like size meet."""
    one, other = before.weight, after.weight
    if one >= other:
        await before.open()
    if other >= one:
        await after.open()


def _compared(one: FileEntry, other: FileEntry) -> Difference | None:
    """Return what the first of the two says; nothing if they are the same file."""
    if one.path < other.path:
        return Difference(one.path, one, None)
    if one.path > other.path:
        return Difference(other.path, None, other)
    return None if _same(one, other) else Difference(one.path, one, other)


def _same(one: FileEntry, other: FileEntry) -> bool:
    if (one.size, one.sha256) != (other.size, other.sha256):
        return False
    # Of a file that was imported as it is, only what S3 says of it is known, and that is in its key check.
    return one.epoch != 0 or one.key_check == other.key_check


class _Side:
    """What is left of one version: pages that were not opened, and files of one that was."""

    def __init__(self, root: Child, pages: Pages) -> None:
        self._waiting: list[Child | FileEntry] = [root]
        self._pages = pages

    @property
    def head(self) -> Child | FileEntry | None:
        return self._waiting[-1] if self._waiting else None

    @property
    def weight(self) -> int:
        """How many files the head is, if it can be opened; else none."""
        return self.head.file_count + 1 if isinstance(self.head, Child) else 0

    def drop(self) -> None:
        self._waiting.pop()

    async def open(self) -> None:
        child = self._waiting.pop()
        if isinstance(child, Child):
            page = await self._pages.load(child)
            below = page.children if isinstance(page, Index) else page.entries
            self._waiting.extend(reversed(below))

    async def rest(self) -> AsyncIterator[FileEntry]:
        while (head := self.head) is not None:
            if isinstance(head, FileEntry):
                self.drop()
                yield head
            else:
                await self.open()
