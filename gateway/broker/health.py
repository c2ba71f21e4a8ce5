"""Whether the parts that we need answer: each asked by one task at a time, however many want to know, and not for long.

Anybody may ask, so the answer is short-lived knowledge, and costs the parts no more for being asked for often.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from gateway.errors import GatewayError, Unavailable

log = logging.getLogger(__name__)

Check = Callable[[], Awaitable[object]]

_FRESH_SECONDS = 0.25


class Health:
    """Readiness.

    Args:
        checks: for each part's name, a coroutine function that raises `GatewayError` when the part is away.
        patience: seconds that a part may take to answer.
    """

    def __init__(self, checks: Mapping[str, Check], *, patience: float = 2.0) -> None:
        self._parts = {name: _Part(name, check, patience) for name, check in checks.items()}

    async def report(self) -> dict[str, GatewayError | None]:
        """Return for each part what is wrong with it, if anything is."""
        faults = await asyncio.gather(*(part.fault() for part in self._parts.values()))
        return dict(zip(self._parts, faults, strict=True))


class _Part:
    def __init__(self, name: str, check: Check, patience: float) -> None:
        self._name = name
        self._check = check
        self._patience = patience
        self._asking: asyncio.Task[None] | None = None
        self._found: GatewayError | None = None
        self._found_at = float("-inf")

    async def fault(self) -> GatewayError | None:
        if asyncio.get_running_loop().time() - self._found_at < _FRESH_SECONDS:
            return self._found
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
        # Not cancelled when our patience ends: what blocks in a thread could not be, and a second would join it there.
        answered, _ = await asyncio.wait({self._asking}, timeout=self._patience)
        return self._found if answered else Unavailable(f"There was no answer in {self._patience:g} s.")

    async def _ask(self) -> None:
        found: GatewayError | None = None
        try:
            await self._check()
        except GatewayError as error:
            found = error
        except Exception as error:  # noqa: BLE001  # whatever it is, the part cannot be relied on
            found = GatewayError(f"It failed with {type(error).__name__}.")
        if found and found.code != (self._found and self._found.code):
            log.warning("%s: %s %s", self._name, found.message, found.hint)
        self._found, self._found_at, self._asking = found, asyncio.get_running_loop().time(), None
