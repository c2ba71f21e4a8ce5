"""Answers of any length as lines of JSON (NDJSON). An error that comes late is a line of its own, and the last."""

from collections.abc import AsyncIterator

import orjson
from anyio.lowlevel import checkpoint

from gateway.errors import GatewayError

NDJSON = "application/x-ndjson"
LINES: dict[int | str, dict[str, object]] = {
    200: {"content": {NDJSON: {"schema": {"type": "string"}}}, "description": "Lines of JSON."},
}


def encode(value: object) -> bytes:
    r"""Return one line.

    >>> encode({"files": 1})
    b'{"files":1}\n'
    """
    return orjson.dumps(value) + b"\n"


async def told(lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the lines, and the error in their place if there is one."""
    try:
        async for line in lines:
            yield line
            await checkpoint()  # what is in memory is no reason to keep others waiting
    except GatewayError as error:
        yield encode({"code": error.code, "detail": error.message, "hint": error.hint})
