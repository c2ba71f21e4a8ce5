"""Shreds what is due: shuts the resource, destroys its keys, and then tries to open them, which must fail.

Each step may be repeated, so that another instance can go on where one was killed.
"""

import logging
from collections.abc import Awaitable, Sequence
from datetime import timedelta

import anyio

from gateway.audit import event
from gateway.broker.revoke import revocation_of
from gateway.clock import Clock
from gateway.errors import IntegrityError, NotFound, NotShredded, Unavailable
from gateway.keys.datakeys import DataKeys, kek_name
from gateway.keys.lifecycle import Lifecycle
from gateway.model import RevocationKind, Shred
from gateway.ports import EventJournal, KekDestroyer, KeyVault, Revocations, ShredStore, WrappedKey, WrappedKeyStore

log = logging.getLogger(__name__)

_LOOK_EVERY_SECONDS = 1.0
_AGAIN_AFTER = timedelta(minutes=1)
"""A shredding that was begun so long ago, and did not end, is somebody else's turn."""


class Shredder:
    """The loop of an instance that has the login for it."""

    def __init__(
        self,
        shreds: ShredStore,
        lifecycle: Lifecycle,
        keys: DataKeys,
        wrapped: WrappedKeyStore,
        vault: KeyVault,
        destroyer: KekDestroyer,
        revocations: Revocations,
        journal: EventJournal,
        clock: Clock,
    ) -> None:
        self._shreds = shreds
        self._lifecycle = lifecycle
        self._keys = keys
        self._wrapped = wrapped
        self._vault = vault
        self._destroyer = destroyer
        self._revocations = revocations
        self._journal = journal
        self._clock = clock

    async def run(self) -> None:
        """Shred what is due until cancelled."""
        while True:
            await anyio.sleep(_LOOK_EVERY_SECONDS)
            try:
                while await self.shred_next():
                    pass
            except Unavailable as error:
                log.warning("a shredding waits: %s", error.message)
            except Exception:
                # A loop that ended would leave what must be destroyed in place, and nobody would know.
                log.exception("a shredding failed")

    async def shred_next(self) -> bool:
        """Shred one resource whose time has come; tell whether there was one.

        Raises:
            NotShredded: something opened that must not.
            Unavailable: a part is away; it is tried again.
        """
        shred = await self._shreds.take_due(now=self._clock(), again_after=_AGAIN_AFTER)
        if shred is None:
            return False
        # 1. What is about to be done is written down before it is done.
        await self._journal.append(event.shredded(shred, at=self._clock(), intent=True))
        # 2. Stream links die; no instance gives new ones, since the resource is marked.
        await self._revocations.add(
            revocation_of(
                RevocationKind.RESOURCE, str(shred.resource), at=self._clock(), by=shred.requested_by.principal()
            )
        )
        # 3. The keys go. What they were wrapped as is kept here, and here alone, to try it afterwards.
        witnesses = [row for row in await self._wrapped.all(shred.resource_id) if row.wrapped]
        await self._lifecycle.destroy(shred.resource_id, self._destroyer)
        self._keys.forget(shred.resource_id, [row.epoch for row in witnesses])
        # 4. What was destroyed must not open.
        try:
            proof = await self.prove(shred, witnesses)
        except NotShredded as error:
            await self._journal.append(event.shredded(shred, at=self._clock(), failure=error))
            raise
        await self._shreds.finish(shred.resource_id, at=self._clock(), proof=proof)
        await self._journal.append(event.shredded(shred, at=self._clock(), proof=proof))
        return True

    async def prove(self, shred: Shred, witnesses: Sequence[WrappedKey]) -> dict[str, str]:
        """Try to open each key in every way that there was, and return what each attempt ended with.

        Raises:
            NotShredded: one opened.
        """
        kek = kek_name(shred.resource_id)
        if await self._vault.describe_kek(kek) is not None:
            raise NotShredded(f"Vault still has the key {kek}.")
        proof = {"vault-key": "not-found"}
        for row in witnesses:
            attempt = self._vault.unwrap(kek, row.wrapped)
            proof[f"unwrap-epoch-{row.epoch}"] = await _refused(attempt, f"Data key {row.epoch} of {shred.resource}")
        for row in await self._wrapped.all(shred.resource_id):
            attempt = self._keys.data_key(shred.resource_id, row.epoch)
            proof[f"open-epoch-{row.epoch}"] = await _refused(attempt, f"Data key {row.epoch} of {shred.resource}")
        return proof


async def _refused(attempt: Awaitable[object], what: str) -> str:
    """Return the code of the error that an attempt to open something ends with."""
    try:
        await attempt
    except (IntegrityError, NotFound) as error:
        return error.code
    raise NotShredded(f"{what} still opens.")
