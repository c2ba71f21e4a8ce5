"""Key rotation."""

from fastapi import APIRouter

from gateway.api.dependencies import Authenticated, Named, UseCases
from gateway.api.problems import RESPONSES
from gateway.api.schemas.keys import RotationOut

router = APIRouter(prefix="/v1", tags=["keys"], responses=RESPONSES)


@router.post("/{kind}/{namespace}/{name}/keys:rotate")
async def rotate_keys(broker: UseCases, caller: Authenticated, name: Named) -> RotationOut:
    """Add a version to the resource's KEK, and wrap its data keys anew. No data is rewritten."""
    kek_version, rewrapped = await broker.rotate.rotate(caller, name)
    return RotationOut(kek_version=kek_version, rewrapped=rewrapped)
