"""Files that a coming version takes over from earlier ones: only those that their publisher may read.

A file may be taken over under another path, or into a version that more people may read. Who may not read it could
else publish it to where they may.
"""

from collections.abc import Sequence

from gateway.broker.access import Caller, Grant, Guard, require
from gateway.catalog import manifest
from gateway.catalog.cache import Pages
from gateway.errors import UnknownVersion
from gateway.model import FileEntry, Resource, Version, check_path
from gateway.ports import CatalogStore


class Kept:
    """The sources of one commit. Each version is looked up once, however many of its files are taken over."""

    def __init__(self, guard: Guard, store: CatalogStore, pages: Pages, *, caller: Caller, resource: Resource) -> None:
        self._guard = guard
        self._store = store
        self._pages = pages
        self._caller = caller
        self._resource = resource
        self._versions: dict[int, Version] = {}
        self._readable: dict[int, bool] = {}
        """Of each version, whether the caller may provably read all of it."""

    @property
    def versions(self) -> Sequence[Version]:
        """Those that files were taken over from."""
        return list(self._versions.values())

    async def find(self, number: int, path: str) -> FileEntry:
        """Return a file of an earlier version.

        Raises:
            AccessDenied: the caller may not read it.
            UnknownVersion, UnknownPath: there is no such file.
        """
        check_path(path)
        if number not in self._readable:
            self._readable[number] = self._may_read_all(number)
        if not self._readable[number]:
            require(self._ask(f"{self._resource.name}/v{number}/{path}"))
        version = self._versions.get(number) or await self._find_version(number)
        return await manifest.lookup(manifest.root_of(version), path, self._pages)

    def _may_read_all(self, number: int) -> bool:
        # One question for a version where that has one answer: a commit may take over millions of files.
        everything = f"{self._resource.name}/v{number}/"
        return self._guard.ask_below(self._ask(everything), everything, everything) is not None

    def _ask(self, name: str) -> Grant:
        return self._guard.ask(self._caller, "gateway:ReadFile", name, about=self._resource)

    async def _find_version(self, number: int) -> Version:
        version = await self._store.find_version(self._resource, number=number)
        if version is None:
            raise UnknownVersion(f"{self._resource.name} has no version v{number}.")
        self._versions[number] = version
        return version
