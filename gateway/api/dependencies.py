"""What routes are handed: the use cases, the caller, and names parsed from the path.

All are coroutines, though most await nothing: FastAPI sends plain functions to a thread, each one.
"""

import re
from typing import Annotated

from fastapi import Depends, Path, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from gateway.api.credentials import announce_nonce, credentials_of
from gateway.broker import Broker
from gateway.broker.access import Caller, Origin
from gateway.model import ResourceKind, ResourceName, VersionRef

_bearer = HTTPBearer(
    auto_error=False, description="A gateway token, from POST /oauth2/token, or an issuer's access token."
)

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


async def the_broker(request: Request) -> Broker:
    """Return the use cases of this application."""
    broker: Broker = request.app.state.broker
    return broker


UseCases = Annotated[Broker, Depends(the_broker)]


async def came_from(request: Request) -> Origin:
    """Return where the request came from.

    The address is the connection's own, since forwarded headers are the sender's word.
    """
    return Origin(
        request_id=str(request.scope["request_id"]),
        source_ip=request.client.host if request.client else "",
        secure=request.scope["scheme"] == "https",
        trace_id=_trace_id(request.headers.get("traceparent", "")),
    )


def _trace_id(traceparent: str) -> str:
    """Return the trace that a caller says it is part of, if it says so in the one form (W3C Trace Context 3.2)."""
    found = _TRACEPARENT.fullmatch(traceparent)
    return found[1] if found and found[1].strip("0") else ""


Came = Annotated[Origin, Depends(came_from)]


async def authenticated(
    request: Request,
    broker: UseCases,
    origin: Came,
    documented: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Caller:
    """Return who is asking.

    Raises:
        Unauthenticated: no access token, or none that is in force.
        TooManyRequests: they ask too often.
    """
    del documented  # it tells OpenAPI how to authenticate, and knows no DPoP
    identified = await broker.sign_in.identify(credentials_of(request))
    announce_nonce(request, identified.next_nonce)
    request.app.state.gate.rates.count_principal(request.scope, identified.principal)
    return Caller(identified.principal, origin)


Authenticated = Annotated[Caller, Depends(authenticated)]


async def resource_name(
    kind: ResourceKind, namespace: Annotated[str, Path(max_length=80)], name: Annotated[str, Path(max_length=80)]
) -> ResourceName:
    """Return the resource that the path names."""
    return ResourceName(kind, namespace, name)


Named = Annotated[ResourceName, Depends(resource_name)]


async def version_ref(ref: Annotated[str, Path(max_length=80)]) -> VersionRef:
    """Return the version that the path refers to."""
    return VersionRef.parse(ref)


Referred = Annotated[VersionRef, Depends(version_ref)]
PushId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
