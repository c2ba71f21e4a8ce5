"""Keys: how they stand, rotation, new epochs, re-encryption and shredding."""

from datetime import timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query

from gateway.api.dependencies import Authenticated, Named, UseCases
from gateway.api.problems import RESPONSES
from gateway.api.schemas.keys import (
    EpochOut,
    KeyStatusOut,
    ReencryptionOut,
    ReencryptionRequest,
    RetirementOut,
    RotatedOut,
    RotateDueOut,
    RotateDueRequest,
    RotationOut,
    ShredApproval,
    ShredOut,
    ShredRequest,
)
from gateway.model import ResourceName

router = APIRouter(prefix="/v1", tags=["keys"], responses=RESPONSES)
_RESOURCE = "/{kind}/{namespace}/{name}"


@router.get(f"{_RESOURCE}/keys")
async def describe_keys(
    broker: UseCases,
    caller: Authenticated,
    name: Named,
    *,
    count: Annotated[bool, Query(description="Whether to count objects, which reads every manifest.")] = True,
) -> KeyStatusOut:
    """Show what hangs on each version of the resource's KEK and on each epoch, and when a rotation is due."""
    return KeyStatusOut.of(await broker.key_status.describe(caller, name, count=count))


@router.post(f"{_RESOURCE}/keys:rotate")
async def rotate_keys(broker: UseCases, caller: Authenticated, name: Named) -> RotationOut:
    """Add a version to the resource's KEK, and wrap its data keys anew. No data is rewritten."""
    kek_version, rewrapped = await broker.rotate.rotate(caller, name)
    return RotationOut(kek_version=kek_version, rewrapped=rewrapped)


@router.post("/keys:rotate-due")
async def rotate_due_keys(broker: UseCases, caller: Authenticated, body: RotateDueRequest) -> RotateDueOut:
    """Rotate the keys, among the next resources, that are so old, where the caller may; say where to go on."""
    done, after = await broker.rotate.rotate_due(
        caller,
        after=ResourceName.parse(body.after) if body.after else None,
        limit=body.limit,
        older_than=timedelta(seconds=body.older_than_seconds),
    )
    return RotateDueOut(resources=[RotatedOut.of(one) for one in done], next=str(after) if after else None)


@router.post(f"{_RESOURCE}/keys:new-epoch")
async def begin_epoch(broker: UseCases, caller: Authenticated, name: Named) -> EpochOut:
    """Make a new data key for what is pushed from now on."""
    return EpochOut(epoch=await broker.rotate.new_epoch(caller, name))


@router.post(f"{_RESOURCE}/keys:retire")
async def retire_kek_versions(broker: UseCases, caller: Authenticated, name: Named) -> RetirementOut:
    """Let only the KEK's newest version open data keys; refused while one hangs on an older version."""
    return RetirementOut(oldest_kek_version=await broker.rotate.retire(caller, name))


@router.post(f"{_RESOURCE}/reencryption", status_code=HTTPStatus.ACCEPTED)
async def begin_reencryption(
    broker: UseCases, caller: Authenticated, name: Named, body: ReencryptionRequest
) -> ReencryptionOut:
    """Move the resource's objects to its newest epoch, in the background."""
    return ReencryptionOut.of(
        await broker.reencrypt.start(caller, name, bytes_per_second=body.bytes_per_second),
    )


@router.get(f"{_RESOURCE}/reencryption")
async def describe_reencryption(broker: UseCases, caller: Authenticated, name: Named) -> ReencryptionOut:
    """Show how far the resource's newest re-encryption is."""
    return ReencryptionOut.of(await broker.reencrypt.show(caller, name))


@router.delete(f"{_RESOURCE}/reencryption", status_code=HTTPStatus.NO_CONTENT)
async def stop_reencryption(broker: UseCases, caller: Authenticated, name: Named) -> None:
    """Stop it. What was moved is moved."""
    await broker.reencrypt.stop(caller, name)


@router.post(f"{_RESOURCE}/shred", status_code=HTTPStatus.ACCEPTED)
async def request_shred(broker: UseCases, caller: Authenticated, name: Named, body: ShredRequest) -> ShredOut:
    """Ask for the resource's keys to be destroyed. Nothing happens before somebody else approves."""
    return ShredOut.of(await broker.shredding.request(caller, name, confirm=body.confirm, reason=body.reason))


@router.get(f"{_RESOURCE}/shred")
async def describe_shred(broker: UseCases, caller: Authenticated, name: Named) -> ShredOut:
    """Show how far a shredding is, with the proof if it is done."""
    return ShredOut.of(await broker.shredding.show(caller, name))


@router.post(f"{_RESOURCE}/shred:approve")
async def approve_shred(broker: UseCases, caller: Authenticated, name: Named, body: ShredApproval) -> ShredOut:
    """Approve it, as somebody else than who asked. It is done after a delay, in which it can be undone."""
    return ShredOut.of(await broker.shredding.approve(caller, name, confirm=body.confirm))


@router.delete(f"{_RESOURCE}/shred", status_code=HTTPStatus.NO_CONTENT)
async def undo_shred(broker: UseCases, caller: Authenticated, name: Named) -> None:
    """Undo it, before its time has come."""
    await broker.shredding.undo(caller, name)
