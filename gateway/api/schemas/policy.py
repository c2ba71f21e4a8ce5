"""Questions to the policies, and their answers, as JSON."""

from typing import Annotated, Self

from pydantic import Field

from gateway.api.schemas.wire import Wire
from gateway.policy import Explanation


class ExplainPrincipal(Wire):
    """Whom to ask the policies about."""

    user: str | None = None
    workload: str | None = None
    groups: Annotated[list[str], Field(default_factory=list, max_length=1000)]
    issuer: str = ""


class ExplainRequest(Wire):
    """A question to the policies in force."""

    principal: Annotated[
        ExplainPrincipal | None, Field(description="Whom to ask about; else about the caller, by this very login.")
    ] = None
    action: Annotated[str, Field(pattern=r"^gateway:[A-Za-z]{1,64}$")]
    resource: Annotated[str, Field(min_length=1, max_length=2048)]
    context: Annotated[dict[str, str | list[str]], Field(default_factory=dict, max_length=100)]


class ConditionOut(Wire):
    """A condition, and what it met."""

    operator: str
    key: str
    wanted: list[str]
    found: list[str]
    met: bool


class StatementOut(Wire):
    """A statement that matched or nearly did, part by part."""

    name: str
    effect: str
    principal: bool
    action: bool
    resource: bool
    conditions: list[ConditionOut]
    advice: list[str]


class ExplanationOut(Wire):
    """A decision and why."""

    decision: str
    statements: list[str]
    policy_digest: str
    step_up: str
    advice: list[str]
    traces: list[StatementOut]

    @classmethod
    def of(cls, explanation: Explanation) -> Self:
        """Translate."""
        return cls(
            decision=explanation.decision.outcome,
            statements=list(explanation.decision.statements),
            policy_digest=explanation.decision.policy_digest,
            step_up=explanation.decision.step_up,
            advice=list(explanation.advice),
            traces=[
                StatementOut(
                    name=trace.name,
                    effect=trace.effect,
                    principal=trace.principal,
                    action=trace.action,
                    resource=trace.resource,
                    conditions=[
                        ConditionOut(
                            operator=one.operator,
                            key=one.key,
                            wanted=list(one.wanted),
                            found=list(one.found),
                            met=one.met,
                        )
                        for one in trace.conditions
                    ],
                    advice=list(trace.advice),
                )
                for trace in explanation.statements
            ],
        )
