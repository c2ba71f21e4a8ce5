"""Says every second or two which secrets this instance holds, so that an old one goes only when nobody needs it.

Each look also takes up what is new: an instance follows its secrets without a restart.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping

import anyio

from gateway.errors import GatewayError
from gateway.model import Holding, Secret
from gateway.ports import HoldingStore

log = logging.getLogger(__name__)

LOOK_EVERY_SECONDS = 2.0
"""Of two looks, the later one is at most so much after the earlier one, and the time that the parts take to answer."""
_SAY_EVERY_SECONDS = 10.0
"""What has not changed is said again after this, so that the instance is known to be there."""
_WITHDRAW_WITHIN_SECONDS = 2.0

Source = Callable[[], Awaitable[Holding]]
"""Takes up what is new of one secret, and returns what is held then. Raises `GatewayError` when it cannot be had."""


class Holdings:
    """What this instance holds.

    Args:
        instance: This instance's name, which no other has.
        store: Where it is said.
        sources: How to learn of each secret.
    """

    def __init__(self, instance: str, store: HoldingStore, sources: Mapping[Secret, Source]) -> None:
        self._instance = instance
        self._store = store
        self._sources = sources
        self._held: dict[Secret, Holding] = {}
        self._said: dict[Secret, Holding] = {}
        self._said_at = -_SAY_EVERY_SECONDS
        self._faults: dict[str, str] = {}

    async def run(self) -> None:
        """Look and say until cancelled."""
        while True:
            await self.look()
            await anyio.sleep(LOOK_EVERY_SECONDS)

    async def look(self) -> None:
        """Take up what is new and say it. What cannot be asked now stays as it was said last."""
        try:
            for secret, source in self._sources.items():
                await self._ask(secret, source)
            if self._held != self._said or anyio.current_time() >= self._said_at + _SAY_EVERY_SECONDS:
                await self._attempt("the database", self._say)
        except Exception:
            # A loop that ended would hold up every rotation, and nobody would know why.
            log.exception("what this instance holds could not be said")

    async def close(self) -> None:
        """Withdraw, so that nobody waits for an instance that serves no more."""
        with anyio.move_on_after(_WITHDRAW_WITHIN_SECONDS):
            await self._attempt("the database", lambda: self._store.withdraw(self._instance))

    async def _say(self) -> None:
        said = dict(self._held)
        await self._store.report(self._instance, [*said.values()])
        self._said, self._said_at = said, anyio.current_time()

    async def _ask(self, secret: Secret, source: Source) -> None:
        async def hold() -> None:
            self._held[secret] = await source()

        await self._attempt(secret, hold)

    async def _attempt(self, what: str, work: Callable[[], Awaitable[object]]) -> None:
        """Do the work; log a failure when it begins, not every second."""
        try:
            await work()
        except GatewayError as fault:
            if self._faults.get(what) != fault.code:
                log.warning("%s: what this instance holds cannot be followed: %s", what, fault.message)
            self._faults[what] = fault.code
        else:
            self._faults.pop(what, None)
