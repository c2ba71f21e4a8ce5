"""Asks a gateway to explain a decision of the policies that it has in force, and reads the answer as if made here."""

from collections.abc import Mapping
from typing import Any

from gateway.client import Gateway
from gateway.client.answers import read
from gateway.model import Decision, Outcome, Principal
from gateway.policy.explain import ConditionTrace, Explanation, StatementTrace


def explain(
    principal: Principal | None,
    action: str,
    resource: str,
    context: Mapping[str, tuple[str, ...]],
    *,
    url: str | None,
    profile: str | None,
) -> Explanation:
    """Return the gateway's explanation, about a principal or about whoever is logged in.

    Raises:
        AccessDenied: the policies do not let us ask (`gateway:ExplainDecision`).
        GatewayUnavailable: the gateway does not answer, or answers something else.
    """
    with Gateway(url, profile=profile) as gateway:
        found = gateway.policies.explain(
            action,
            resource,
            principal=_asked(principal) if principal else None,
            context=context,
        )
        return read(_explanation, found, gateway.url)


def _asked(principal: Principal) -> dict[str, object]:
    return {principal.kind.value: principal.name, "groups": sorted(principal.groups), "issuer": principal.issuer}


def _explanation(answer: Mapping[str, Any]) -> Explanation:
    decision = Decision(
        Outcome(answer["decision"]), tuple(answer["statements"]), answer["policy_digest"], answer["step_up"]
    )
    return Explanation(decision, tuple(_statement(trace) for trace in answer["traces"]))


def _statement(trace: Mapping[str, Any]) -> StatementTrace:
    return StatementTrace(
        name=trace["name"],
        effect=trace["effect"],
        principal=trace["principal"],
        action=trace["action"],
        resource=trace["resource"],
        conditions=tuple(_condition(one) for one in trace["conditions"]),
        advice=tuple(trace["advice"]),
    )


def _condition(one: Mapping[str, Any]) -> ConditionTrace:
    return ConditionTrace(one["operator"], one["key"], tuple(one["wanted"]), tuple(one["found"]), one["met"])
