"""Asks the policy and writes down the answer. Nothing is granted unless its event is durable first."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from gateway.audit import event
from gateway.broker.step_up import step_up_of
from gateway.clock import Clock
from gateway.errors import AccessDenied, GatewayError
from gateway.model import AccessRequest, Decision, Outcome, Principal, Resource, Version
from gateway.policy.context import context_of
from gateway.policy.explain import reason
from gateway.ports import DecisionPoint, EventJournal


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from."""

    request_id: str
    source_ip: str
    secure: bool
    """Whether it came over TLS."""
    trace_id: str = ""
    """The caller's trace (W3C Trace Context), 32 hex digits; empty if it named none."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and from where."""

    principal: Principal
    origin: Origin


@dataclass(slots=True)
class Grant:
    """A decided request on its way through a use case, which adds what its event should say."""

    caller: Caller
    request: AccessRequest
    decision: Decision
    version: Version | None = None
    facts: dict[str, int | str] = field(default_factory=dict)
    """Counts, sizes and ids, under the names that events know."""
    between: tuple[str, str] | None = None
    """The first and the last of the paths that were decided at once."""
    failure: GatewayError | None = None
    """What an allowed request of many ended with."""
    consequences: list[Mapping[str, object]] = field(default_factory=list)
    """Events of what came of it, which are recorded with it if nothing failed."""


class Guard:
    """The one gate of every use case: decides, lets the work run, records.

    Args:
        policy: the policy set in force.
        journal: where events become durable.
        clock: the time.
    """

    def __init__(self, policy: DecisionPoint, journal: EventJournal, clock: Clock) -> None:
        self._policy = policy
        self._journal = journal
        self._clock = clock

    def ask(
        self,
        caller: Caller,
        action: str,
        resource: str,
        *,
        about: Resource | None = None,
        extra: Mapping[str, str] | None = None,
    ) -> Grant:
        """Return the policy's answer, allowed or not. On its own it grants nothing: see `recorded`.

        Args:
            caller: who asks.
            action: what for.
            resource: on what, as the caller named it.
            about: what the catalog has under that name, whose tags conditions may ask for. The answer to somebody
                who is refused is the same whether it is there or not.
            extra: further condition keys.
        """
        context = context_of(
            caller.principal,
            now=self._clock(),
            source_ip=caller.origin.source_ip,
            secure=caller.origin.secure,
            extra={**resource_facts(about), **(extra or {})},
        )
        request = AccessRequest(caller.principal, action, resource, context)
        return Grant(caller, request, self._policy.decide(request))

    def ask_below(self, grant: Grant, prefix: str, resolved: str) -> Grant | None:
        """Return one grant for all that is below a prefix, if policy provably says yes to all of it.

        Args:
            grant: A request by the same caller, for the same action, in the same context.
            prefix: The start of what is asked for, as the caller named it.
            resolved: The same under the version's number, where nothing may be explicitly denied; see `recheck`.
        """
        asked = replace(grant.request, resource=prefix)
        decision = self._policy.decide_below(asked)
        if decision is None or not decision.allowed:
            return None
        if resolved != prefix:
            named = self._policy.decide_below(replace(asked, resource=resolved))
            if named is None or named.outcome is Outcome.EXPLICIT_DENY:
                return None
        return Grant(grant.caller, asked, decision, grant.version, dict(grant.facts))

    def ask_again(self, grant: Grant, resource: str, resolved: str) -> Grant:
        """Return the answer to the same caller's request for another resource, with `recheck` in it."""
        asked = replace(grant.request, resource=resource)
        again = Grant(grant.caller, asked, self._policy.decide(asked), grant.version, dict(grant.facts))
        if again.decision.allowed and resolved != resource:
            named = replace(asked, resource=resolved)
            if decision := self._policy.denies(named):
                again.request, again.decision = named, decision
        return again

    async def record(self, grants: Sequence[Grant]) -> None:
        """Record grants whose work is done, and refusals.

        Raises:
            JournalUnavailable: an event could not be written; nothing of it must leave.
        """
        await self._record(grants)

    def recheck(self, grant: Grant, resource: str) -> None:
        """Refuse if the resolved name of what was asked for is explicitly denied.

        A caller who is allowed `…/latest/…` needs no allow on `…/v3/…`, but a deny on `…/v3/…` holds for
        every tag and digest that names version 3.

        Raises:
            AccessDenied: it is denied.
        """
        if resource == grant.request.resource:
            return
        resolved = AccessRequest(grant.request.principal, grant.request.action, resource, grant.request.context)
        if decision := self._policy.denies(resolved):
            grant.request, grant.decision = resolved, decision
            require(grant)

    @asynccontextmanager
    async def recorded(self, grants: Sequence[Grant]) -> AsyncIterator[None]:
        """Run the block if every grant is allowed; record each with its outcome, in one group, when it is done.

        Raises:
            AccessDenied: policy says no to one.
            JournalUnavailable: an event could not be written; the block's result must not leave.
        """
        try:
            for grant in grants:
                require(grant)
            yield
        except Exception as error:
            await self._record(grants, error)
            raise
        await self._record(grants)

    @asynccontextmanager
    async def reading(
        self,
        caller: Caller,
        action: str,
        resource: str,
        *,
        about: Resource | None = None,
        extra: Mapping[str, str] | None = None,
    ) -> AsyncIterator[Grant]:
        """Ask for one thing, and run the block as `recorded` does."""
        grant = self.ask(caller, action, resource, about=about, extra=extra)
        async with self.recorded([grant]):
            yield grant

    @asynccontextmanager
    async def changing(
        self,
        caller: Caller,
        action: str,
        resource: str,
        *,
        about: Resource | None = None,
        extra: Mapping[str, str] | None = None,
    ) -> AsyncIterator[Grant]:
        """Like `reading`, for blocks that change something: the intent is durable before the block runs."""
        grant = self.ask(caller, action, resource, about=about, extra=extra)
        if grant.decision.allowed:
            await self._journal.append(self._event(grant, intent=True))
        async with self.recorded([grant]):
            yield grant

    async def _record(self, grants: Sequence[Grant], error: Exception | None = None) -> None:
        events = [self._event(grant, error=error) for grant in grants]
        further = [one for grant in grants for one in grant.consequences] if error is None else []
        await self._journal.append_all(events + further)

    def _event(self, grant: Grant, *, error: Exception | None = None, intent: bool = False) -> Mapping[str, object]:
        return event.decided(
            grant.request,
            grant.decision,
            at=self._clock(),
            request_id=grant.caller.origin.request_id,
            source_ip=grant.caller.origin.source_ip,
            version=grant.version,
            facts=grant.facts,
            between=grant.between,
            intent=intent,
            failure=_code(refusal_of(grant) or error or grant.failure),
            trace_id=grant.caller.origin.trace_id,
        )


def require(grant: Grant) -> None:
    """Return if the grant is allowed.

    Raises:
        StepUpRequired: it is not, and a stronger login would change that. A workload has no other login.
        AccessDenied: it is not. The message says who, what and on which name, all of which the caller gave us;
            it does not say whether the thing exists, nor name the policy.
    """
    refusal = refusal_of(grant)
    if refusal:
        raise refusal


def refusal_of(grant: Grant) -> GatewayError | None:
    """Return what to say to the caller if the grant is not allowed."""
    if grant.decision.allowed:
        return None
    return step_up_of(grant.request, grant.decision) or AccessDenied(
        reason(grant.request, grant.decision),
        hint=f"Ask the data's steward for access, and name this request: {grant.caller.origin.request_id}.",
    )


def resource_facts(resource: Resource | None) -> dict[str, str]:
    """Return the condition keys that a resource's tags make."""
    return {f"gateway:ResourceTag/{key}": value for key, value in resource.tags.items()} if resource else {}


def _code(error: Exception | None) -> str | None:
    if error is None:
        return None
    return error.code if isinstance(error, GatewayError) else GatewayError.code
