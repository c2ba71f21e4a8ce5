"""Leases: leave to renew links for as long as a job runs."""

from datetime import timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path

from gateway.api.dependencies import Authenticated, UseCases
from gateway.api.problems import RESPONSES
from gateway.api.schemas.leases import LeaseOut, LeaseRequest, LeasesOut
from gateway.model import ResourceName

router = APIRouter(prefix="/v1/leases", tags=["leases"], responses=RESPONSES)


@router.post("", status_code=HTTPStatus.CREATED)
async def create_lease(broker: UseCases, caller: Authenticated, body: LeaseRequest) -> LeaseOut:
    """Make a lease; each resource is decided on its own, with the purpose, and one refusal refuses all."""
    names = [ResourceName.parse(text) for text in body.resources]
    return LeaseOut.of(
        await broker.leases.create(caller, names, purpose=body.purpose, life=timedelta(seconds=body.ttl_seconds))
    )


@router.get("")
async def list_leases(broker: UseCases, caller: Authenticated) -> LeasesOut:
    """List the leases in force that the caller may see."""
    return LeasesOut(leases=[LeaseOut.of(lease) for lease in await broker.leases.list(caller)])


@router.delete("/{lease_id}", status_code=HTTPStatus.NO_CONTENT)
async def revoke_lease(
    broker: UseCases, caller: Authenticated, lease_id: Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
) -> None:
    """End a lease, and with it every stream link that was issued under it."""
    await broker.leases.revoke(caller, lease_id)
