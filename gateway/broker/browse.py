"""What there is: resources, versions, tags and files, each shown only to those who may see it."""

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from dataclasses import dataclass

from gateway.broker.access import Caller, Guard
from gateway.broker.pages import PagesOf
from gateway.broker.resolve import find_version, known
from gateway.catalog import manifest
from gateway.model import FileEntry, Resource, ResourceKind, ResourceName, Version, VersionRef
from gateway.ports import CatalogStore

_SCAN = 500
"""Resources read from the store at a time when most of them may be hidden from the caller."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A resource in a listing, with its newest version."""

    resource: Resource
    latest: Version | None


@dataclass(frozen=True, slots=True)
class Described:
    """A resource in full."""

    resource: Resource
    versions: Sequence[Version]
    tags: dict[str, int]


@dataclass(frozen=True, slots=True)
class Files:
    """Some files of a version, and where to go on."""

    version: Version
    files: Sequence[FileEntry]
    next: str | None


class Browse:
    """The catalog's use cases."""

    def __init__(self, guard: Guard, store: CatalogStore, pages_of: PagesOf) -> None:
        self._guard = guard
        self._store = store
        self._pages_of = pages_of

    async def resources(
        self,
        caller: Caller,
        *,
        kind: ResourceKind | None,
        namespace: str | None,
        after: ResourceName | None,
        limit: int,
    ) -> tuple[Sequence[Listed], ResourceName | None]:
        """Return up to `limit` resources that the caller may describe, and the name to go on after, if any."""
        scope = f"{kind or '*'}/{namespace or '*'}/*"
        async with self._guard.reading(caller, "gateway:ListResources", scope) as grant:
            visible: list[Listed] = []
            while True:
                batch = await self._store.list_resources(kind=kind, namespace=namespace, after=after, limit=_SCAN)
                for resource in batch:
                    after = resource.name
                    if not self._may_describe(caller, resource):
                        continue
                    visible.append(Listed(resource, await self._newest(resource)))
                    if len(visible) == limit:
                        grant.facts["resources"] = limit
                        return visible, after
                if len(batch) < _SCAN:
                    grant.facts["resources"] = len(visible)
                    return visible, None

    def _may_describe(self, caller: Caller, resource: Resource) -> bool:
        return self._guard.ask(caller, "gateway:DescribeResource", str(resource.name), about=resource).decision.allowed

    async def _newest(self, resource: Resource) -> Version | None:
        number = (await self._store.tags(resource)).get("latest")
        return await self._store.find_version(resource, number=number) if number else None

    async def describe(self, caller: Caller, name: ResourceName) -> Described:
        """Return a resource with its versions, newest first, and its tags."""
        found = await self._store.find_resource(name)
        async with self._guard.reading(caller, "gateway:DescribeResource", str(name), about=found):
            resource = known(found, name)
            return Described(
                resource, await self._store.list_versions(resource), dict(await self._store.tags(resource))
            )

    async def files(
        self, caller: Caller, name: ResourceName, ref: VersionRef, *, prefix: str, after: str, limit: int
    ) -> Files:
        """Return up to `limit` files of a version whose paths start with `prefix`, in order, after `after`."""
        found = await self._store.find_resource(name)
        async with self._guard.reading(caller, "gateway:ListFiles", f"{name}/{ref}", about=found) as grant:
            resource = known(found, name)
            version = grant.version = await find_version(self._store, resource, ref)
            self._guard.recheck(grant, f"{name}/v{version.number}")
            files = await manifest.list_files(
                manifest.root_of(version),
                self._pages_of(resource.id),
                prefix=prefix,
                after=after,
                limit=limit + 1,
            )
            grant.facts["files"] = min(len(files), limit)
            return Files(version, files[:limit], files[limit - 1].path if len(files) > limit else None)

    async def all_files(
        self, caller: Caller, name: ResourceName, ref: VersionRef, *, prefix: str, after: str
    ) -> tuple[Version, AsyncGenerator[Sequence[FileEntry], None]]:
        """Return a version, and then all its files whose paths start with `prefix`, in order, after `after`."""
        found = await self._store.find_resource(name)
        async with self._guard.reading(caller, "gateway:ListFiles", f"{name}/{ref}", about=found) as grant:
            resource = known(found, name)
            version = grant.version = await find_version(self._store, resource, ref)
            self._guard.recheck(grant, f"{name}/v{version.number}")
        pages = self._pages_of(resource.id)
        return version, manifest.batches(manifest.root_of(version), pages, prefix=prefix, after=after)

    async def move_tag(self, caller: Caller, name: ResourceName, tag: str, ref: VersionRef) -> Version:
        """Make the tag name the version that `ref` names now."""
        found = await self._store.find_resource(name)
        async with self._guard.changing(caller, "gateway:MoveTag", f"{name}/{tag}", about=found) as grant:
            resource = known(found, name)
            version = grant.version = await find_version(self._store, resource, ref)
            # A deny on the version keeps every tag off it: one in quarantine, say.
            self._guard.recheck(grant, f"{name}/v{version.number}")
            await self._store.set_tag(resource, tag, version.number)
            return version

    async def tag_resource(
        self, caller: Caller, name: ResourceName, *, put: Mapping[str, str], remove: Collection[str]
    ) -> Mapping[str, str]:
        """Put and remove tags of the resource, which policies decide by; return what it has then."""
        found = await self._store.find_resource(name)
        async with self._guard.changing(caller, "gateway:TagResource", str(name), about=found):
            return await self._store.change_resource_tags(known(found, name), put=put, remove=remove)
