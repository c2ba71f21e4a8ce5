"""Has the journal's tree signed and archived, beside the requests, so that a later change contradicts a signature.

A round lets the tree grow by what the journal has on disk, holds it against the archive, has Vault sign it and
witnesses cosign it, and archives it. Where a part is away, nothing is lost: the next round that reaches it covers
everything since.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

import anyio
from anyio import to_thread

from gateway.audit.checkpoint import Checkpoint, open_checkpoint
from gateway.audit.growth import grow, open_own, resume
from gateway.audit.journal import Journal
from gateway.audit.merkle import Hash
from gateway.audit.note import VerifierKey, add_signature
from gateway.audit.tile_archive import TileArchive
from gateway.audit.tree import GrowingTree
from gateway.audit.witness import Witness
from gateway.clock import Clock
from gateway.errors import CheckpointsLate, GatewayError, JournalBroken, StorageUnavailable
from gateway.ports import CheckpointSigner

log = logging.getLogger(__name__)

_TICK_SECONDS = 0.5
_PATIENCE = timedelta(minutes=1)
"""How late checkpoints may be before `check` says so."""
_LAST_WITHIN_SECONDS = 10.0


class Notary:
    """Signs and archives checkpoints of one journal, from `run` until `close`.

    Args:
        journal: The journal, opened.
        signer: Signs.
        archive: Where checkpoints go; none keeps them beside the journal alone.
        clock: The time.
        origin: The log's name in its checkpoints.
        interval: How often there is a checkpoint, if anything happened.
        events: After how many records there is one before that.
        witnesses: Who cosigns checkpoints. None of them is waited for longer than its time, or missed.
    """

    def __init__(  # noqa: PLR0913  # its parts, and its name and pace
        self,
        journal: Journal,
        signer: CheckpointSigner,
        archive: TileArchive | None,
        clock: Clock,
        *,
        origin: str,
        interval: timedelta,
        events: int,
        witnesses: Sequence[Witness] = (),
    ) -> None:
        self._journal = journal
        self._signer = signer
        self._archive = archive
        self._clock = clock
        self._origin = origin
        self._interval = interval
        self._events = events
        self._witnesses = witnesses
        self._unheard: set[str] = set()
        """The witnesses who did not cosign the newest checkpoint."""
        self._tree: GrowingTree | None = None
        self._signed = self._archived = 0
        """Sizes of the newest checkpoints, here and in the archive."""
        self._agreed = archive is None
        """Whether the archive was found to be of this journal, so that it may be signed."""
        self._fault: GatewayError | None = None
        self._failing_since = self._last = clock()

    async def run(self) -> None:
        """Make a round whenever one is due, for ever."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            waiting = self._journal.head.seq - self._signed
            if waiting >= self._events or self._clock() - self._last >= self._interval:
                await self.round()

    async def close(self) -> None:
        """Close the journal, and sign its last record too, if Vault answers soon."""
        await self._journal.close()
        with anyio.move_on_after(_LAST_WITHIN_SECONDS):
            await self.round()
        for witness in self._witnesses:
            await witness.close()

    async def round(self) -> None:
        """Make a round. What fails is said by `check`, and tried again in the next."""
        self._last = now = self._clock()
        try:
            await self._cover()
        except GatewayError as fault:
            self._note_fault(fault, now)
        except OSError as error:
            self._tree = None  # a tile may be half added: it is resumed from what was signed
            self._note_fault(CheckpointsLate(f"The tree beside it cannot be written: {error.strerror}."), now)
        except Exception as error:
            self._tree = None
            log.exception("unexpected failure in a checkpoint of the audit journal")
            self._note_fault(CheckpointsLate(f"Making one failed: {type(error).__name__}."), now)
        else:
            self._fault = None

    def _note_fault(self, fault: GatewayError, now: datetime) -> None:
        if self._fault is None:
            self._failing_since = now
            log.warning("no checkpoint of the audit journal can be made now: %s", fault.message)
        self._fault = fault

    async def check(self) -> None:
        """Raise unless what the journal holds is signed and archived, but for the last minute.

        Raises:
            CheckpointsLate: Vault or the archive has been away for longer than that.
            JournalBroken: the journal contradicts what was signed: it was changed, rolled back, or is not the only one.
        """
        if isinstance(self._fault, JournalBroken):
            raise self._fault
        if self._fault and self._clock() - self._failing_since > _PATIENCE:
            behind = self._journal.head.seq - min(self._signed, self._archived)
            raise CheckpointsLate(
                f"{behind} records are not covered by a checkpoint yet. {self._fault.message}", hint=self._fault.hint
            )

    async def _cover(self) -> None:
        size = self._journal.head.seq
        if size == min(self._signed, self._archived):
            return
        # 1. The keys, and the tree as it was signed last.
        keys = [VerifierKey(self._origin, public) for public in await self._signer.checkpoint_keys()]
        tree = self._tree = self._tree or await self._resume(keys)
        # 2. The tree grows by what the journal has.
        while tree.size < size:
            await to_thread.run_sync(grow, tree, self._journal.folder, size)
        # 3. It agrees with the archive, which may be away only if it did so before.
        try:
            await self._agree(tree, keys)
        except StorageUnavailable:
            if self._agreed:
                await self._sign(tree, keys)
            raise
        # 4. It is signed, and archived.
        await self._sign(tree, keys)
        await self._store(tree)

    async def _resume(self, keys: Sequence[VerifierKey]) -> GrowingTree:
        load = partial(resume, self._journal.folder, size=self._journal.head.seq, keys=keys)
        tree, signed = await to_thread.run_sync(load)
        self._signed = signed.size if signed else 0
        return tree

    async def _agree(self, tree: GrowingTree, keys: Sequence[VerifierKey]) -> None:
        """Hold the tree against the archive's: a log never signs what contradicts what it has signed."""
        note = await self._archive.newest() if self._archive else None
        if note:
            archived = open_own(note, keys)
            if archived.size > tree.size or await _root(tree, archived.size) != archived.root:
                raise JournalBroken(
                    f"Another journal is archived as {self._origin}: its checkpoint over {archived.size} records is "
                    "not of this one. Either this one was rolled back, or two gateways have one identity.",
                    hint="Give each gateway an audit.instance of its own; start none on an old copy of its journal.",
                )
            self._archived = archived.size
        self._agreed = True

    async def _sign(self, tree: GrowingTree, keys: Sequence[VerifierKey]) -> None:
        if tree.size == self._signed:
            return
        checkpoint = Checkpoint(self._origin, tree.size, await _root(tree, tree.size))
        public, signature = await self._signer.sign_checkpoint(checkpoint.text.encode())
        note = add_signature(checkpoint.text, VerifierKey(self._origin, public), signature).encode()
        open_checkpoint(note, keys)  # what does not verify is not kept
        await to_thread.run_sync(tree.publish, note, keys)
        self._signed = tree.size
        await self._cosign(tree, note)

    async def _cosign(self, tree: GrowingTree, note: bytes) -> None:
        """Have the checkpoint cosigned by those witnesses who answer in time; the others see the next one."""
        lines = await asyncio.gather(*(self._ask(witness, tree, note) for witness in self._witnesses))
        if any(lines):
            cosigned = note + "".join(lines).encode()
            heard = [witness.key for witness, line in zip(self._witnesses, lines, strict=True) if line]
            await to_thread.run_sync(tree.cosign, cosigned, heard)

    async def _ask(self, witness: Witness, tree: GrowingTree, note: bytes) -> str:
        name = witness.key.name
        try:
            line = await witness.cosign(note, tree.size, tree.nodes(tree.size))
        except GatewayError as fault:
            if name not in self._unheard:
                log.warning("a checkpoint of the audit journal is not cosigned: %s %s", fault.message, fault.hint)
            self._unheard.add(name)
            return ""
        self._unheard.discard(name)
        return line

    async def _store(self, tree: GrowingTree) -> None:
        note = tree.newest()
        if self._archive and note:
            await self._archive.store(tree, note, before=self._archived, size=self._signed)
        self._archived = self._signed


async def _root(tree: GrowingTree, size: int) -> Hash:
    return await to_thread.run_sync(partial(tree.root, size, within=tree.size))
