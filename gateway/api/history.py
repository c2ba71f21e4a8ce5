"""A resource's past: its log, what changed between versions, and their removal."""

from collections import Counter
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated

import orjson
from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from gateway.api.dependencies import Authenticated, Named, Referred, UseCases
from gateway.api.lines import LINES, NDJSON, encode, told
from gateway.api.problems import RESPONSES
from gateway.api.schemas.catalog import VersionOut
from gateway.api.schemas.history import DifferenceOut, LoggedOut, LogOut
from gateway.broker.history import Compared
from gateway.model import VersionRef

router = APIRouter(prefix="/v1/{kind}/{namespace}/{name}", tags=["history"], responses=RESPONSES)


@router.get("/log")
async def log(broker: UseCases, caller: Authenticated, name: Named) -> LogOut:
    """Return the versions, newest first, each with what it was made from and what was made from it.

    Versions of resources that the caller may not describe are left out; of inputs, their number is told.
    """
    return LogOut(versions=[LoggedOut.of(one) for one in await broker.history.log(caller, name)])


@router.get("/versions/{ref}/diff", response_class=StreamingResponse, responses=LINES)
async def diff(
    broker: UseCases,
    caller: Authenticated,
    name: Named,
    ref: Referred,
    to: Annotated[str, Query(max_length=80)] = "latest",
) -> StreamingResponse:
    """Return the files that differ from this version to another one, in the order of their paths.

    The first line has the versions. The last one counts the changes; without it, the answer is not whole.
    """
    compared = await broker.history.diff(caller, name, ref, VersionRef.parse(to))
    return StreamingResponse(told(_lines(compared)), media_type=NDJSON)


@router.delete("/versions/{ref}", status_code=HTTPStatus.NO_CONTENT)
async def remove_version(broker: UseCases, caller: Authenticated, name: Named, ref: Referred) -> None:
    """Remove a version. Its number is never given again; its data goes when garbage is collected."""
    await broker.history.remove(caller, name, ref)


async def _lines(compared: Compared) -> AsyncIterator[bytes]:
    yield encode({side: VersionOut.of(getattr(compared, side)).model_dump(mode="json") for side in ("old", "new")})
    counts = Counter({"added": 0, "removed": 0, "changed": 0})
    async for found in compared.differences:
        counts[found.change.value] += 1
        yield orjson.dumps(DifferenceOut.of(found).model_dump()) + b"\n"
    yield encode(dict(counts))
