"""A resource's past: its versions, what they were made from and went into, what changed between two, and removal."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass

from gateway.broker.access import Caller, Guard
from gateway.broker.pages import PagesOf
from gateway.broker.resolve import find_version, known
from gateway.catalog.difference import Difference, differences
from gateway.catalog.manifest import root_of
from gateway.clock import Clock
from gateway.model import Input, Output, Resource, ResourceName, Version, VersionRef
from gateway.ports import CatalogStore


@dataclass(frozen=True, slots=True)
class Logged:
    """A version with its tags and its lineage, as far as the caller may see it."""

    version: Version
    tags: Sequence[str]
    inputs: Sequence[Input]
    """What it was made from."""
    hidden_inputs: int
    """How many more there are, which the caller may not describe."""
    outputs: Sequence[Output]
    """What was made from it."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Two versions, and how the new one differs from the old one."""

    old: Version
    new: Version
    differences: AsyncIterator[Difference]


class History:
    """The history's use cases."""

    def __init__(self, guard: Guard, store: CatalogStore, pages_of: PagesOf, clock: Clock) -> None:
        self._guard = guard
        self._store = store
        self._pages_of = pages_of
        self._clock = clock

    async def log(self, caller: Caller, name: ResourceName) -> Sequence[Logged]:
        """Return a resource's versions, newest first, each with what it was made from and what was made from it."""
        found = await self._store.find_resource(name)
        async with self._guard.reading(caller, "gateway:DescribeResource", str(name), about=found):
            resource = known(found, name)
            versions = await self._store.list_versions(resource)
            inputs, outputs = await self._store.inputs(resource), await self._store.outputs(name)
            named = {one.resource for some in inputs.values() for one in some}
            visible = await self._visible(caller, named | {one.resource for some in outputs.values() for one in some})
            tags = await self._store.tags(resource)
            return [_logged(version, tags, inputs, outputs, visible) for version in versions]

    async def _visible(self, caller: Caller, names: Collection[ResourceName]) -> Collection[ResourceName]:
        return {name for name in names if self._may_describe(caller, name, await self._store.find_resource(name))}

    def _may_describe(self, caller: Caller, name: ResourceName, about: Resource | None) -> bool:
        return self._guard.ask(caller, "gateway:DescribeResource", str(name), about=about).decision.allowed

    async def remove(self, caller: Caller, name: ResourceName, ref: VersionRef) -> Version:
        """Remove a version. Its number is never given again; its data goes when garbage is collected.

        Raises:
            Conflict: a tag other than `latest` names it.
        """
        found = await self._store.find_resource(name)
        async with self._guard.changing(caller, "gateway:DeleteVersion", f"{name}/{ref}", about=found) as grant:
            resource = known(found, name)
            version = grant.version = await find_version(self._store, resource, ref)
            self._guard.recheck(grant, f"{name}/v{version.number}")
            return await self._store.remove_version(
                resource, version.number, at=self._clock(), by=caller.principal.name
            )

    async def diff(self, caller: Caller, name: ResourceName, old: VersionRef, new: VersionRef) -> Compared:
        """Return which files differ between two versions, in the order of their paths."""
        found = await self._store.find_resource(name)
        grants = [self._guard.ask(caller, "gateway:ListFiles", f"{name}/{ref}", about=found) for ref in (old, new)]
        async with self._guard.recorded(grants):
            resource = known(found, name)
            for grant, ref in zip(grants, (old, new), strict=True):
                grant.version = await find_version(self._store, resource, ref)
                self._guard.recheck(grant, f"{name}/v{grant.version.number}")
            one, other = (grant.version for grant in grants)
        assert one is not None  # noqa: S101 -- found above
        assert other is not None  # noqa: S101 -- the same
        return Compared(one, other, differences(root_of(one), root_of(other), self._pages_of(resource.id)))


def _logged(
    version: Version,
    tags: Mapping[str, int],
    inputs: Mapping[int, Sequence[Input]],
    outputs: Mapping[int, Sequence[Output]],
    visible: Collection[ResourceName],
) -> Logged:
    made_from = inputs.get(version.number, ())
    seen = [one for one in made_from if one.resource in visible]
    return Logged(
        version,
        [tag for tag, number in tags.items() if number == version.number],
        seen,
        len(made_from) - len(seen),
        [one for one in outputs.get(version.number, ()) if one.resource in visible],
    )
