"""Whether the process lives, and whether it can serve."""

from http import HTTPStatus

from fastapi import APIRouter, Response

from gateway import __version__
from gateway.api.dependencies import UseCases

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def alive() -> dict[str, str]:
    """Answer that the process lives; says nothing of its parts."""
    return {"status": "ok", "version": __version__}


@router.get("/readyz", responses={503: {"description": "A part is away."}})
async def ready(broker: UseCases, response: Response) -> dict[str, str]:
    """Say of each part `ok`, or the code of what is wrong with it, and 503. The log and `gateway doctor` say more."""
    report = await broker.health.report()
    if any(report.values()):
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return {name: fault.code if fault else "ok" for name, fault in report.items()}
