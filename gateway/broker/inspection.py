"""Checks that a version is whole: every page and every object is there, and has the size that it should have."""

from array import array
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass

from gateway.broker.access import Caller, Guard
from gateway.broker.layout import object_prefix
from gateway.broker.moved import follow
from gateway.broker.pages import PagesOf
from gateway.broker.reach import is_ours
from gateway.broker.resolve import find_version, known
from gateway.catalog.cache import Pages
from gateway.catalog.manifest import root_of
from gateway.catalog.page import Child, Index
from gateway.envelope import ciphertext_size
from gateway.errors import IntegrityError
from gateway.model import FileEntry, Resource, ResourceName, Version, VersionRef
from gateway.ports import CatalogStore, ObjectStore, ReencryptionStore

_TELL_AFTER, _TELL_AFTER_PAGES = 100_000, 5_000
"""Objects, and pages, after which a sign of life is given: who waits hears something every few seconds."""
_NONE = -1


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is not as it was published."""

    path: str
    """The file; of damaged pages, the first file that they list."""
    problem: str


@dataclass(frozen=True, slots=True)
class Looked:
    """How far the check is."""

    objects: int


@dataclass(frozen=True, slots=True)
class Checked:
    """All has been checked."""

    files: int
    pages: int
    objects: int
    faults: int


Finding = Fault | Looked | Checked


class Sizes:
    """The sizes of a resource's objects, eight bytes each."""

    def __init__(self) -> None:
        self._pushes: dict[str, array[int]] = {}
        self._copies: dict[str, int] = {}
        self.count = 0

    def add(self, object_id: str, size: int) -> None:
        """Take an object."""
        self.count += 1
        push_id, _, name = object_id.partition("/")
        if not name.isdecimal():
            self._copies[object_id] = size
            return
        sizes, number = self._pushes.setdefault(push_id, array("q")), int(name)
        if number >= len(sizes):
            sizes.extend([_NONE] * (number + 1 - len(sizes)))
        sizes[number] = size

    def of(self, object_id: str) -> int | None:
        """Return an object's size, if it is there."""
        push_id, _, name = object_id.partition("/")
        if not name.isdecimal():
            return self._copies.get(object_id)
        sizes, number = self._pushes.get(push_id, ()), int(name)
        return sizes[number] if number < len(sizes) and sizes[number] != _NONE else None


class Inspection:
    """The inspection's use case."""

    def __init__(
        self, guard: Guard, store: CatalogStore, objects: ObjectStore, pages_of: PagesOf, moves: ReencryptionStore
    ) -> None:
        self._guard = guard
        self._store = store
        self._objects = objects
        self._pages_of = pages_of
        self._moves = moves

    async def check(
        self, caller: Caller, name: ResourceName, ref: VersionRef
    ) -> tuple[Version, AsyncGenerator[Finding, None]]:
        """Return the version, and then what is wrong with it; the last finding says that all has been looked at."""
        found = await self._store.find_resource(name)
        async with self._guard.reading(caller, "gateway:CheckVersion", f"{name}/{ref}", about=found) as grant:
            resource = known(found, name)
            version = grant.version = await find_version(self._store, resource, ref)
            self._guard.recheck(grant, f"{name}/v{version.number}")
        return version, self._check(resource, version)

    async def _check(self, resource: Resource, version: Version) -> AsyncGenerator[Finding, None]:
        sizes = Sizes()
        prefix = object_prefix(resource.id)
        async for found in self._objects.list(prefix):
            sizes.add(found.key.removeprefix(prefix), found.size)
            if sizes.count % _TELL_AFTER == 0:
                yield Looked(sizes.count)
        files = pages = faults = 0
        async for page in _walk(root_of(version), self._pages_of(resource.id)):
            pages += 1
            faulty = [page] if isinstance(page, Fault) else await self._faults(resource, page, sizes)
            files += 0 if isinstance(page, Fault) else len(page)
            faults += len(faulty)
            for fault in faulty:
                yield fault
            if pages % _TELL_AFTER_PAGES == 0:
                yield Looked(sizes.count)
        if files != version.file_count and not faults:
            faults += 1
            yield Fault("", f"its pages list {files:,} files, and {version.file_count:,} were published")
        yield Checked(files, pages, sizes.count, faults)

    async def _faults(self, resource: Resource, entries: Sequence[FileEntry], sizes: Sizes) -> list[Fault]:
        ours = [entry for entry in entries if is_ours(entry.object_id)]
        return [
            Fault(entry.path, problem)
            for entry in await follow(self._moves, resource.id, ours)
            if (problem := _problem(entry, sizes.of(entry.object_id)))
        ]


def _problem(entry: FileEntry, size: int | None) -> str:
    wanted = ciphertext_size(entry.size)
    if size is None:
        return "its object is missing"
    return "" if size == wanted else f"its object has {size:,} bytes, and should have {wanted:,}"


async def _walk(root: Child, pages: Pages) -> AsyncIterator[Sequence[FileEntry] | Fault]:
    """Yield every page's files, none for an index page; what is below a damaged page cannot be looked at."""
    waiting = [root]
    while waiting:
        child = waiting.pop()
        try:
            page = await pages.load(child)
        except IntegrityError as error:
            yield Fault(
                child.first, f"the page from it on, with {child.file_count:,} files, is damaged: {error.message}"
            )
            continue
        if isinstance(page, Index):
            waiting.extend(reversed(page.children))
            yield ()
        else:
            yield page.entries
