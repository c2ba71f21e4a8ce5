"""Explains the policies in force to those who may read them, which is an act of its own and is recorded."""

from collections.abc import Mapping

from gateway.broker.access import Caller, Guard, resource_facts
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
        principal: Principal,
        *,
        action: str,
        resource: str,
        context: Mapping[str, str | tuple[str, ...]],
    ) -> Explanation:
        """Return the decision on a request that somebody might make, and why; `context` adds to what we know."""
        async with self._guard.reading(caller, "gateway:ExplainDecision", resource):
            facts = {**resource_facts(await self._find(resource)), **context}
            known = context_of(principal, now=self._clock(), secure=True, extra=facts)
            return explain(self._policies.current, AccessRequest(principal, action, resource, known))

    async def _find(self, resource: str) -> Resource | None:
        try:
            name = ResourceName.parse("/".join(resource.split("/")[:3]))
        except InvalidName:  # a pattern or a prefix, which has no tags
            return None
        return await self._store.find_resource(name)
