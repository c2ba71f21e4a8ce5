"""What a coming version says of its making: the code's revision, the run, and the versions that it was made from."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from gateway.broker.access import Caller, Guard
from gateway.broker.resolve import find_version, known
from gateway.model import Input, ResourceName, VersionRef
from gateway.ports import CatalogStore


@dataclass(frozen=True, slots=True)
class Provenance:
    """As the publisher says."""

    commit: str = ""
    run: str = ""
    inputs: Sequence[tuple[ResourceName, VersionRef]] = ()


NO_PROVENANCE = Provenance()


async def resolve_inputs(
    guard: Guard, store: CatalogStore, caller: Caller, provenance: Provenance, decided: AsyncExitStack
) -> Sequence[Input]:
    """Return the versions that the inputs name now. Each is decided, and recorded when `decided` ends.

    Raises:
        AccessDenied: the caller may not describe one of them.
        NotFound: one of them is not there.
    """
    inputs = []
    for name, ref in dict.fromkeys(provenance.inputs):
        found = await store.find_resource(name)
        reading = guard.reading(caller, "gateway:DescribeResource", str(name), about=found)
        grant = await decided.enter_async_context(reading)
        version = grant.version = await find_version(store, known(found, name), ref)
        inputs.append(Input(name, version.number, version.digest))
    return inputs
