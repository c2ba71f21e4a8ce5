"""Turns "a stronger login would do", as policy says it, into the challenge that a client can answer (RFC 9470)."""

from datetime import timedelta

from gateway.errors import StepUpRequired
from gateway.model import AccessRequest, Decision, PrincipalKind


def step_up_of(request: AccessRequest, decision: Decision) -> StepUpRequired | None:
    """Return the challenge, or None where no login would help. A workload has but the one that it has.

    >>> from gateway.model import Outcome, Principal
    >>> ada = Principal("people", "1", PrincipalKind.USER, "ada")
    >>> asked = AccessRequest(ada, "gateway:ReadFile", "dataset/vision/digits/v1/a.csv")
    >>> step_up_of(asked, Decision(Outcome.IMPLICIT_DENY, step_up="acr=gold;max_age=300")).max_age
    datetime.timedelta(seconds=300)
    """
    if not decision.step_up or request.principal.kind is not PrincipalKind.USER:
        return None
    demands = dict(one.partition("=")[::2] for one in decision.step_up.split(";"))
    max_age = demands.get("max_age")
    return StepUpRequired(
        f"{request.action} on {request.resource} needs a stronger login: {', '.join(map(_in_words, demands.items()))}.",
        hint="Log in again in this way; gateway login and the SDK do it by themselves.",
        acr_values=tuple(filter(None, [demands.get("acr")])),
        amr_values=tuple(filter(None, [demands.get("amr")])),
        max_age=timedelta(seconds=int(max_age)) if max_age is not None else None,
    )


def _in_words(demand: tuple[str, str]) -> str:
    name, value = demand
    words = {"acr": f"of class {value}", "amr": f"with {value}", "max_age": f"within the last {value} s"}
    return words.get(name, f"{name} {value}")
