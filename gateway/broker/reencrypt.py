"""Re-encryption: asked for, looked at and stopped here. `gateway.broker.reencryptor` does it."""

from gateway.broker.access import Caller, Guard
from gateway.broker.resolve import known
from gateway.clock import Clock
from gateway.errors import Conflict, NotFound
from gateway.keys.lifecycle import Lifecycle
from gateway.model import Reencryption, ReencryptionState, Resource, ResourceName, Signatory
from gateway.ports import CatalogStore, ReencryptionStore


class Reencrypt:
    """The re-encryption use cases."""

    def __init__(
        self, guard: Guard, store: CatalogStore, jobs: ReencryptionStore, lifecycle: Lifecycle, clock: Clock
    ) -> None:
        self._guard = guard
        self._store = store
        self._jobs = jobs
        self._lifecycle = lifecycle
        self._clock = clock

    async def start(self, caller: Caller, name: ResourceName, *, bytes_per_second: int | None) -> Reencryption:
        """Have the resource's objects moved to its newest epoch; return the job, which goes on by itself.

        Raises:
            NotFound: nothing was pushed yet.
            Conflict: one is under way.
        """
        found = await self._store.find_resource(name)
        async with self._guard.changing(caller, "gateway:ReencryptObjects", str(name), about=found) as grant:
            resource = known(found, name)
            state = await self._lifecycle.describe(resource.id)
            if state is None or not state.newest_epoch:
                raise NotFound(f"{name} has no objects yet.", hint="Nothing was pushed to it.")
            wanted = Reencryption(
                resource_id=resource.id,
                resource=resource.name,
                epoch=state.newest_epoch,
                state=ReencryptionState.RUNNING,
                requested_by=Signatory.of(caller.principal),
                requested_at=self._clock(),
                bytes_per_second=bytes_per_second,
            )
            grant.facts["epoch"] = wanted.epoch
            if not await self._jobs.start(wanted):
                job = await self._require(resource)
                raise Conflict(
                    f"{name} is being moved to epoch {job.epoch}: {job.state}.",
                    hint=f"'gateway keys reencrypt {name} --follow' shows how far it is.",
                )
            return wanted

    async def show(self, caller: Caller, name: ResourceName) -> Reencryption:
        """Return how far the newest one is.

        Raises:
            NotFound: there was none.
        """
        found = await self._store.find_resource(name)
        async with self._guard.reading(caller, "gateway:DescribeKeys", str(name), about=found):
            return await self._require(known(found, name))

    async def stop(self, caller: Caller, name: ResourceName) -> None:
        """Stop it. What was moved is moved; to go on, start it again.

        Raises:
            NotFound: there was none.
            Conflict: no object is being moved any more.
        """
        found = await self._store.find_resource(name)
        async with self._guard.changing(caller, "gateway:ReencryptObjects", str(name), about=found):
            resource = known(found, name)
            job = await self._require(resource)
            if not await self._jobs.stop(resource.id):
                raise Conflict(f"The re-encryption of {name} is {job.state}: there is nothing to stop.")

    async def _require(self, resource: Resource) -> Reencryption:
        job = await self._jobs.find(resource.id)
        if job is None:
            raise NotFound(
                f"{resource.name} was not re-encrypted.", hint=f"'gateway keys reencrypt {resource.name}' begins it."
            )
        return job
