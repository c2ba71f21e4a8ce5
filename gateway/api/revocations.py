"""Taking back what was given out."""

from datetime import timedelta
from http import HTTPStatus

from fastapi import APIRouter

from gateway.api.dependencies import Authenticated, UseCases
from gateway.api.problems import RESPONSES
from gateway.api.schemas.leases import RevocationOut, RevocationRequest

router = APIRouter(prefix="/v1", tags=["revocations"], responses=RESPONSES)


@router.post("/revocations", status_code=HTTPStatus.CREATED)
async def revoke(broker: UseCases, caller: Authenticated, body: RevocationRequest) -> RevocationOut:
    """Revoke a link, a lease, all that a principal was given, or all that was given of a dataset or model.

    Or logins: one token, or all of a subject, a client or an issuer; what they were exchanged for ends with them.

    Every instance knows within five seconds.

    What S3 signed already, it cannot take back: a direct link lives until it expires, or its signer is replaced.
    """
    freeze = timedelta(seconds=body.freeze_seconds)
    revocation = await broker.revoke.revoke(caller, body.kind, body.value, freeze=freeze, before=body.issued_before)
    return RevocationOut.of(revocation)
