"""Explains the policies in force to those who may read them, which is an act of its own and is recorded."""

from collections.abc import Mapping

from gateway.broker.access import Caller, Guard, Origin, resource_facts
from gateway.clock import Clock
from gateway.errors import InvalidName
from gateway.model import AccessRequest, Principal, Resource, ResourceName
from gateway.policy import Explanation, WatchedPolicies, explain
from gateway.policy.context import context_of
from gateway.ports import CatalogStore


class Advise:
    """The policy use cases."""

    def __init__(self, guard: Guard, store: CatalogStore, policies: WatchedPolicies, clock: Clock) -> None:
        self._guard = guard
        self._store = store
        self._policies = policies
        self._clock = clock

    async def explain(
        self,
        caller: Caller,
        principal: Principal | None,
        *,
        action: str,
        resource: str,
        context: Mapping[str, str | tuple[str, ...]],
    ) -> Explanation:
        """Return the decision on a request that somebody might make, and why; `context` adds to what we know.

        Without a principal it is about the caller: their login, its narrowing, and where they call from.
        """
        async with self._guard.reading(caller, "gateway:ExplainDecision", resource):
            facts = {**resource_facts(await self._find(resource)), **context}
            who = principal or caller.principal
            where = Origin("", "", secure=True) if principal else caller.origin
            known = context_of(who, now=self._clock(), source_ip=where.source_ip, secure=where.secure, extra=facts)
            return explain(self._policies.current, AccessRequest(who, action, resource, known))

    async def _find(self, resource: str) -> Resource | None:
        try:
            name = ResourceName.parse("/".join(resource.split("/")[:3]))
        except InvalidName:  # a pattern or a prefix, which has no tags
            return None
        return await self._store.find_resource(name)
