"""Questions to the policies in force, for those who may ask."""

from fastapi import APIRouter

from gateway.api.dependencies import Authenticated, UseCases
from gateway.api.problems import RESPONSES
from gateway.api.schemas.policy import ExplainPrincipal, ExplainRequest, ExplanationOut
from gateway.errors import InvalidInput
from gateway.model import Principal, PrincipalKind

router = APIRouter(prefix="/v1", tags=["policy"], responses=RESPONSES)


@router.post("/policy:explain")
async def explain_decision(broker: UseCases, caller: Authenticated, body: ExplainRequest) -> ExplanationOut:
    """Say what the policies answer to a request, and which statements decided it or nearly did."""
    context = {key: value if isinstance(value, str) else tuple(value) for key, value in body.context.items()}
    found = await broker.advise.explain(
        caller, _principal(body.principal), action=body.action, resource=body.resource, context=context
    )
    return ExplanationOut.of(found)


def _principal(asked: ExplainPrincipal | None) -> Principal | None:
    if asked is None:
        return None
    if (asked.user is None) == (asked.workload is None):
        raise InvalidInput("A principal is a user or a workload.", hint="Name one of the two.")
    kind = PrincipalKind.WORKLOAD if asked.user is None else PrincipalKind.USER
    name = asked.user or asked.workload or ""
    return Principal(issuer=asked.issuer, subject=name, kind=kind, name=name, groups=frozenset(asked.groups))
