"""The signed tree over the journal, laid out below `/v1/audit` as C2SP tlog-tiles has it, for public tools to read."""

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import Response

from gateway.api.dependencies import Authenticated, UseCases
from gateway.api.problems import RESPONSES
from gateway.audit.tiles import read_place

router = APIRouter(prefix="/v1/audit", tags=["audit"], responses=RESPONSES)

NOTE = "text/plain; charset=utf-8"
BYTES = "application/octet-stream"
_FOR_EVER = {"cache-control": "private, max-age=31536000, immutable"}
"""A tile never changes; a partial one is another file than the full one."""

_Level = Annotated[int, Path(ge=0, le=63)]
_Seq = Annotated[int, Path(ge=1, le=10**16 - 1)]


def _answers(media_type: str) -> dict[int | str, dict[str, object]]:
    schema = {"type": "string"} if media_type == NOTE else {"type": "string", "format": "binary"}
    return {200: {"content": {media_type.partition(";")[0]: {"schema": schema}}, "description": "As it is stored."}}


@router.get("/checkpoint", response_class=Response, responses=_answers(NOTE))
async def read_checkpoint(broker: UseCases, caller: Authenticated) -> Response:
    """Return the newest checkpoint (C2SP tlog-checkpoint), with the cosignatures of witnesses."""
    return Response(await broker.review.checkpoint(caller), media_type=NOTE)


@router.get("/tile/entries/{place:path}", response_class=Response, responses=_answers(BYTES))
async def read_entries(broker: UseCases, caller: Authenticated, place: str) -> Response:
    """Return a bundle of entries: the hashes of records, which tell nothing of what is in them."""
    bundle = await broker.review.bundle(caller, read_place(0, place))
    return Response(bundle, media_type=BYTES, headers=_FOR_EVER)


@router.get("/tile/{level}/{place:path}", response_class=Response, responses=_answers(BYTES))
async def read_tile(broker: UseCases, caller: Authenticated, level: _Level, place: str) -> Response:
    """Return a tile: up to 256 hashes of the tree, side by side."""
    tile = await broker.review.tile(caller, read_place(level, place))
    return Response(tile, media_type=BYTES, headers=_FOR_EVER)


@router.get("/proofs/{seq}", response_class=Response, responses=_answers(NOTE))
async def read_proof(broker: UseCases, caller: Authenticated, seq: _Seq) -> Response:
    """Return the proof that a record is in the signed journal (C2SP tlog-proof), with the record."""
    return Response(await broker.review.proof(caller, seq), media_type=NOTE)
