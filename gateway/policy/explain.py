"""Says why: which statements matched or nearly did, which condition failed on what value, and what would change it.

An explanation quotes policies and the request's facts, so it is for those who may read policies. A refused caller is
told `reason`, which has nothing in it but what they sent.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from gateway.model import AccessRequest, Decision, Outcome
from gateway.policy.compiled import action_test, resource_test
from gateway.policy.conditions import Condition
from gateway.policy.decide import PolicySet, query_of
from gateway.policy.document import Effect, Statement
from gateway.policy.operators import NULL
from gateway.policy.query import ANYONE, Query


@dataclass(frozen=True, slots=True)
class ConditionTrace:
    """One condition, and what it met."""

    operator: str
    key: str
    wanted: tuple[str, ...]
    found: tuple[str, ...]
    """The request's values; none if the key is missing."""
    met: bool


@dataclass(frozen=True, slots=True)
class StatementTrace:
    """One statement, part by part."""

    name: str
    effect: str
    principal: bool
    action: bool
    resource: bool
    conditions: tuple[ConditionTrace, ...]
    advice: tuple[str, ...]
    """What would have to be otherwise for it to match, or, if it denies, to match no more."""

    @property
    def matched(self) -> bool:
        """Whether it holds for the request."""
        return self.named and all(condition.met for condition in self.conditions)

    @property
    def named(self) -> bool:
        """Whether it is about this principal, action and resource."""
        return self.principal and self.action and self.resource

    @property
    def near(self) -> bool:
        """Whether only conditions fail; for an Allow, also if one other part alone does."""
        misses = (self.principal, self.action, self.resource).count(False)
        all_met = all(condition.met for condition in self.conditions)
        return (misses == 0 and not all_met) or (misses == 1 and all_met and self.effect == Effect.ALLOW)


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision with all that was close to it."""

    decision: Decision
    statements: tuple[StatementTrace, ...]
    """Those that matched, then those that nearly did."""

    @property
    def advice(self) -> tuple[str, ...]:
        """What a person would need to change to be allowed. Empty if they are."""
        if self.decision.allowed:
            return ()
        denied = self.decision.outcome is Outcome.EXPLICIT_DENY
        relevant = [one for one in self.statements if one.matched == denied and (one.effect == "Deny") == denied]
        return tuple(line for one in relevant for line in one.advice)


def explain(policies: PolicySet, request: AccessRequest) -> Explanation:
    """Return the decision on a request, and why."""
    query = query_of(request)
    sets = policies.sets_for(request.principal.session_policies) or ()
    traces = [
        _trace(statement, query) for one in sets for document in one.documents for statement in document.statements
    ]
    told = [trace for trace in traces if trace.matched or trace.near]
    return Explanation(policies.decide(request), tuple(sorted(told, key=lambda trace: (trace.near, trace.name))))


def reason(request: AccessRequest, decision: Decision) -> str:
    """Return one sentence for a caller who is refused: who, what and on which name, all of which they know.

    It names no policy, no tag and no condition, and does not say whether the thing exists. The one hint that it
    gives is a stronger login, which is theirs to do.
    """
    why = "a policy forbids it" if decision.outcome is Outcome.EXPLICIT_DENY else "no policy allows it"
    sentence = f"{request.principal.name} may not do {request.action} on {request.resource}: {why}."
    return f"{sentence} A new login with {decision.step_up} would help." if decision.step_up else sentence


def _trace(statement: Statement, query: Query) -> StatementTrace:
    conditions = tuple(_condition(condition, query) for condition in statement.conditions)
    principal = is_for(statement, query.principals)
    action = action_test(statement)(query.action)
    resource = resource_test(statement)(query.resource, query)
    advice = tuple(_advice(statement, principal=principal, action=action, resource=resource, conditions=conditions))
    return StatementTrace(statement.name, statement.effect, principal, action, resource, conditions, advice)


def is_for(statement: Statement, words: Iterable[str]) -> bool:
    """Tell whether a caller who answers to `words` is one of the statement's principals."""
    clause = statement.principal
    return clause is None or clause.negated == clause.words.isdisjoint(words)


def _condition(condition: Condition, query: Query) -> ConditionTrace:
    return ConditionTrace(
        str(condition.operator),
        condition.key.value,
        tuple(text.value for text in condition.values),
        query.values(condition.folded),
        condition.test(query),
    )


def _advice(
    statement: Statement, *, principal: bool, action: bool, resource: bool, conditions: Sequence[ConditionTrace]
) -> Iterator[str]:
    name = statement.name
    if statement.effect is Effect.DENY:
        asked = [f"{one.key} ({one.operator} {_list(one.wanted)}; it is {_found(one)})" for one in conditions]
        yield f"{name} denies this, as long as {' and '.join(asked)}." if asked else f"{name} denies this, always."
        return
    if not principal and statement.principal:
        yield f"{name} would allow this to {_list(sorted(statement.principal.words))}."
    if not action:
        yield f"{name} would allow {_list(text.value for text in statement.actions)} instead."
    if not resource:
        yield f"{name} would allow this on {_list(pattern.text.value for pattern in statement.resources)}."
    for one in conditions:
        if not one.met:
            yield f"{name} would allow this if {_demand(one)}; it is {_found(one)}."


def _demand(one: ConditionTrace) -> str:
    if one.operator == NULL:
        return f"{one.key} were {'missing' if 'true' in one.wanted else 'there'}"
    return f"{one.key} fitted {one.operator} {_list(one.wanted)}"


def _found(one: ConditionTrace) -> str:
    return _list(one.found) if one.found else "missing"


def _list(words: Iterable[str]) -> str:
    return " or ".join("everyone" if word == ANYONE else repr(word) for word in words)
