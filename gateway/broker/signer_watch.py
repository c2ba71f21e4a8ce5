"""Records when our own access key at S3 was replaced: `gateway revoke --rotate-signer` does so beside the server."""

import logging

import anyio
from anyio import to_thread

from gateway.audit import event
from gateway.clock import Clock
from gateway.errors import JournalUnavailable
from gateway.ports import CredentialSource, EventJournal

log = logging.getLogger(__name__)

_LOOK_EVERY_SECONDS = 1.0


class SignerWatch:
    """Looks at the credentials in force every second; what was replaced while no gateway ran is not seen."""

    def __init__(self, credentials: CredentialSource, journal: EventJournal, clock: Clock) -> None:
        self._credentials = credentials
        self._journal = journal
        self._clock = clock
        self._told = credentials().access_key_id

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await anyio.sleep(_LOOK_EVERY_SECONDS)
            try:
                await self._look()
            except Exception:
                # A watch that ended would leave the next replacement out of the journal, and nobody would know.
                log.exception("the credentials of S3 could not be looked at")

    async def _look(self) -> None:
        now = (await to_thread.run_sync(self._credentials)).access_key_id
        if now == self._told:
            return
        try:
            await self._journal.append(event.signer_replaced(before=self._told, now=now, at=self._clock()))
        except JournalUnavailable:
            return  # told when it can be
        self._told = now
