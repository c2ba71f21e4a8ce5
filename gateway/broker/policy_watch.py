"""Keeps the policies in force up to date with their folder, and records each change and each folder that is refused."""

import logging

import anyio
from anyio import to_thread

from gateway.audit import event
from gateway.clock import Clock
from gateway.errors import JournalUnavailable
from gateway.policy import WatchedPolicies
from gateway.ports import EventJournal

log = logging.getLogger(__name__)

_LOOK_EVERY_SECONDS = 1.0


class PolicyWatch:
    """Looks at the folder every second. A folder that does not load leaves the last good set in force."""

    def __init__(self, policies: WatchedPolicies, journal: EventJournal, clock: Clock) -> None:
        self._policies = policies
        self._journal = journal
        self._clock = clock
        self._untold = False

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await anyio.sleep(_LOOK_EVERY_SECONDS)
            try:
                await self._look()
            except Exception:
                # A watch that ended would leave today's policies in force for good, and nobody would know.
                log.exception("the policy folder could not be looked at")

    async def _look(self) -> None:
        self._untold |= await to_thread.run_sync(self._policies.refresh)
        if self._untold:
            await self._tell()

    async def check(self) -> None:
        """Raise `InvalidPolicy` if the folder as it is now is not in force."""
        if self._policies.fault:
            raise self._policies.fault

    async def _tell(self) -> None:
        fault, digest = self._policies.fault, self._policies.current.digest
        try:
            if fault:
                await self._journal.append(event.policies_refused(fault, digest=digest, at=self._clock()))
            else:
                await self._journal.append(event.policies_changed(digest=digest, at=self._clock()))
        except JournalUnavailable:
            return  # told when it can be; requests are refused meanwhile
        self._untold = False
