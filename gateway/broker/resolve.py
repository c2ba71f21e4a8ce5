"""From a caller's words to the catalog's: names to resources, references to versions."""

from gateway.errors import Shredded, UnknownResource, UnknownTag, UnknownVersion
from gateway.model import Resource, ResourceName, Version, VersionRef
from gateway.ports import CatalogStore


def known(found: Resource | None, name: ResourceName, *, shredded: bool = False) -> Resource:
    """Return what was found under the name, to somebody who was allowed to ask for it.

    Args:
        found: what was found.
        name: what was asked for.
        shredded: whether it will do if its keys were destroyed.

    Raises:
        UnknownResource: nothing was.
        Shredded: its keys were destroyed.
    """
    if found is None:
        raise UnknownResource(f"There is no {name}.", hint="'gateway ls' shows what you may see.")
    if found.shredded_at and not shredded:
        raise Shredded(
            f"{name} was shredded on {found.shredded_at:%Y-%m-%d}: nothing can open it any more.",
            hint=f"'gateway keys shred-status {name}' shows the proof.",
        )
    return found


async def find_version(store: CatalogStore, resource: Resource, ref: VersionRef) -> Version:
    """Return the version that a reference names at this moment.

    Raises:
        UnknownTag: the resource has no such tag.
        UnknownVersion: the resource has no such number or digest.
    """
    number = ref.number
    if ref.tag is not None:
        number = (await store.tags(resource)).get(ref.tag)
        if number is None:
            raise UnknownTag(
                f"{resource.name} has no tag {ref.tag!r}.", hint=f"'gateway ls {resource.name}' lists them."
            )
    version = await store.find_version(resource, number=number, digest=ref.digest)
    if version is None:
        raise UnknownVersion(f"{resource.name} has no version {ref}.", hint=f"'gateway ls {resource.name}' lists them.")
    return version
