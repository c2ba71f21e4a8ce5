"""Upkeep: checking that versions are whole, and collecting garbage."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import asdict
from datetime import timedelta

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from gateway.api.dependencies import Authenticated, Named, Referred, UseCases
from gateway.api.lines import LINES, NDJSON, encode, told
from gateway.api.problems import RESPONSES
from gateway.api.schemas.catalog import VersionOut
from gateway.api.schemas.history import CollectedOut, CollectRequest
from gateway.broker.inspection import Finding
from gateway.model import Version

router = APIRouter(prefix="/v1/{kind}/{namespace}/{name}", tags=["upkeep"], responses=RESPONSES)


@router.get("/versions/{ref}/check", response_class=StreamingResponse, responses=LINES)
async def check(broker: UseCases, caller: Authenticated, name: Named, ref: Referred) -> StreamingResponse:
    """Check that every page and object of a version is there and has its size; read no file.

    The first line has the version; each fault is a line; the last one counts, and without it the answer is not whole.
    """
    version, findings = await broker.inspection.check(caller, name, ref)
    return StreamingResponse(told(_lines(version, findings)), media_type=NDJSON)


@router.post("/garbage:collect")
async def collect(broker: UseCases, caller: Authenticated, name: Named, body: CollectRequest) -> CollectedOut:
    """Delete what no version reaches, once it has been so for the grace period."""
    grace = timedelta(seconds=body.grace_seconds)
    done = await broker.garbage.collect(caller, name, grace=grace, dry_run=body.dry_run)
    return CollectedOut.of(done, dry_run=body.dry_run)


async def _lines(version: Version, findings: AsyncGenerator[Finding, None]) -> AsyncIterator[bytes]:
    yield encode({"version": VersionOut.of(version).model_dump(mode="json")})
    async for finding in findings:
        yield encode(asdict(finding))
