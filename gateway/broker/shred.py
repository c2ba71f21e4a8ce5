"""Shredding: a resource's keys are destroyed, and with them all that it holds. Two people and a delay stand before.

Who asks for it types the resource's name; somebody else approves; then it waits, and can be undone until its time has
come. `gateway.broker.shredder` does it.
"""

from datetime import timedelta

from gateway.broker.access import Caller, Guard
from gateway.broker.resolve import known
from gateway.clock import Clock
from gateway.errors import AccessDenied, Conflict, InvalidConfiguration, InvalidInput, NotFound
from gateway.model import Resource, ResourceName, Shred, ShredState, Signatory
from gateway.ports import CatalogStore, ShredStore


class Shredding:
    """The shredding use cases.

    Args:
        guard: decides and records.
        store: the catalog.
        shreds: where shreddings are remembered.
        clock: the time.
        delay: how long an approved shredding can be undone.
        able: whether some instance has the login that can destroy keys, as far as this one's settings tell.
    """

    def __init__(
        self, guard: Guard, store: CatalogStore, shreds: ShredStore, clock: Clock, *, delay: timedelta, able: bool
    ) -> None:
        self._guard = guard
        self._store = store
        self._shreds = shreds
        self._clock = clock
        self._delay = delay
        self._able = able

    async def request(self, caller: Caller, name: ResourceName, *, confirm: str, reason: str) -> Shred:
        """Ask for the resource's keys to be destroyed. Nothing happens before somebody else approves.

        Raises:
            InvalidInput: what was typed to confirm it is not the resource's name.
            InvalidConfiguration: this gateway has no login that can destroy keys.
            Conflict: it was asked for already.
        """
        found = await self._store.find_resource(name)
        async with self._guard.changing(caller, "gateway:ShredKey", str(name), about=found):
            resource = known(found, name)
            _require_confirmed(name, confirm)
            if not self._able:
                raise InvalidConfiguration(
                    "This gateway has no login that can destroy keys.",
                    hint="infra/vault/README.md says how to give it one: keys.shredder_role_id_file.",
                )
            wanted = self._new(caller, resource, reason)
            added = await self._shreds.add(wanted)
            if added != wanted:
                raise Conflict(
                    f"{added.requested_by} asked for it at {added.requested_at:%Y-%m-%d %H:%M} UTC: {added.state}.",
                    hint=f"'gateway keys approve-shred {name}' approves it, 'gateway keys undo-shred' undoes it.",
                )
            return added

    def _new(self, caller: Caller, resource: Resource, reason: str) -> Shred:
        by = Signatory.of(caller.principal)
        return Shred(resource.id, resource.name, reason, ShredState.REQUESTED, by, self._clock())

    async def approve(self, caller: Caller, name: ResourceName, *, confirm: str) -> Shred:
        """Approve it, as somebody else than who asked for it. It is done after the delay, unless it is undone.

        Raises:
            InvalidInput: what was typed to confirm it is not the resource's name.
            AccessDenied: the caller asked for it.
            Conflict: it is approved already.
            NotFound: nobody asked for it.
        """
        found = await self._store.find_resource(name)
        async with self._guard.changing(caller, "gateway:ApproveShred", str(name), about=found) as grant:
            resource = known(found, name)
            _require_confirmed(name, confirm)
            shred = await self._require(resource)
            by = Signatory.of(caller.principal)
            if shred.requested_by.is_same(by):
                raise AccessDenied("Who asked for a shredding cannot approve it.", hint="Ask somebody else to.")
            due_at = self._clock() + self._delay
            if not await self._shreds.approve(resource.id, by=by, due_at=due_at):
                raise Conflict(f"The shredding of {name} is {shred.state} already.")
            grant.facts["due_at"] = f"{due_at:%Y-%m-%dT%H:%M:%SZ}"
            return await self._require(resource)

    async def undo(self, caller: Caller, name: ResourceName) -> None:
        """Take the request back, and the approval if there was one.

        Raises:
            Conflict: its time has come; it cannot be undone.
            NotFound: nobody asked for it.
        """
        found = await self._store.find_resource(name)
        async with self._guard.changing(caller, "gateway:UndoShred", str(name), about=found):
            resource = known(found, name)
            shred = await self._require(resource)
            if not await self._shreds.withdraw(resource.id):
                raise Conflict(f"The shredding of {name} is {shred.state}: it cannot be undone.")

    async def show(self, caller: Caller, name: ResourceName) -> Shred:
        """Return how far the shredding has come, with the proof if it is done.

        Raises:
            NotFound: nobody asked for it.
        """
        found = await self._store.find_resource(name)
        async with self._guard.reading(caller, "gateway:DescribeKeys", str(name), about=found):
            return await self._require(known(found, name, shredded=True))

    async def _require(self, resource: Resource) -> Shred:
        shred = await self._shreds.find(resource.id)
        if shred is None:
            raise NotFound(
                f"Nobody asked for {resource.name} to be shredded.", hint=f"'gateway keys shred {resource.name}' does."
            )
        return shred


def _require_confirmed(name: ResourceName, confirm: str) -> None:
    if confirm != str(name):
        raise InvalidInput("What was typed is not the resource's name; nothing was done.", hint=f"Type {name}.")
