"""Moves objects to their resource's newest epoch, a resource at a time: copied, read back, and only then used.

A copy lies beside the old one, under an id that follows from it, so that a job which was killed writes the same again.
What was moved is remembered an object at a time; links given out before lead to the old copy, which goes when none of
them can be good any more.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import Executor
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeVar

import anyio
from anyio import to_thread

from gateway import envelope
from gateway.audit import event
from gateway.broker.layout import object_key_in_bucket, pack_prefix
from gateway.broker.moved import follow
from gateway.broker.pages import PagesOf, pack_epoch
from gateway.broker.publish import PART_BYTES
from gateway.catalog import manifest
from gateway.clock import Clock
from gateway.errors import GatewayError, IntegrityError, NotFound, Shredded, Unavailable
from gateway.keys.datakeys import DataKeys
from gateway.keys.derive import object_key
from gateway.model import FileEntry, MovedObject, Reencryption, ReencryptionState, Resource
from gateway.ports import (
    CatalogStore,
    EventJournal,
    LinkSigner,
    ObjectStore,
    PackStore,
    ReadBack,
    ReencryptionStore,
    Rewrite,
    Rewriter,
    SealedFile,
    Upload,
)

log = logging.getLogger(__name__)

_LOOK_EVERY_SECONDS = 1.0
_HELD_FOR = timedelta(seconds=60)
_HOLD_EVERY_SECONDS = 15.0
_LINKS_LIVE = timedelta(hours=12)
"""Of those that one object is read and written by: as long as the longest object may take."""
_AT_ONCE = 1000
_NOTED_TOGETHER = 50
"""Moves that are stored in one transaction. What is killed before that is done again."""

_T = TypeVar("_T")
_A = TypeVar("_A")


@dataclass(frozen=True, slots=True)
class Moving:
    """What does the moving: where, with which functions, and how long old copies stay."""

    executor: Callable[[], Executor]
    """Returns where the work runs; it may block, and raise `Unavailable`."""
    width: int
    """Objects on their way at a time."""
    rewrite: Rewriter
    read_back: ReadBack
    old_copies_for: timedelta
    """How long an old copy stays once nobody is given a link to it: longer than the longest link lives."""


class Reencryptor:
    """The loop of an instance."""

    def __init__(
        self,
        jobs: ReencryptionStore,
        store: CatalogStore,
        objects: ObjectStore,
        signer: LinkSigner,
        keys: DataKeys,
        pages_of: PagesOf,
        packs_of: Callable[[str], PackStore],
        journal: EventJournal,
        clock: Clock,
        *,
        moving: Moving,
    ) -> None:
        self._jobs = jobs
        self._store = store
        self._objects = objects
        self._signer = signer
        self._keys = keys
        self._pages_of = pages_of
        self._packs_of = packs_of
        self._journal = journal
        self._clock = clock
        self._moving = moving
        self._reaching = asyncio.Lock()
        self._holder = secrets.token_hex(16)

    async def run(self) -> None:
        """Work on what there is until cancelled."""
        while True:
            await anyio.sleep(_LOOK_EVERY_SECONDS)
            try:
                while await self.work_once():
                    pass
            except Unavailable as error:
                log.warning("a re-encryption waits: %s", error.message)
            except Exception:
                # A loop that ended would leave jobs undone, and nobody would know.
                log.exception("a re-encryption failed")

    async def work_once(self) -> bool:
        """Take a job on as far as it goes; tell whether there was one.

        Raises:
            Unavailable: a part is away; the job is taken up again in a minute.
        """
        now = self._clock()
        job = await self._jobs.take(self._holder, now=now, until=now + _HELD_FOR)
        if job is None:
            return False
        if job.state is ReencryptionState.SETTLING:
            await self._settle(job)
            return True
        try:
            await self._held(job)
        except IntegrityError as error:
            # A manifest is damaged, so that nobody can tell what there is to move.
            latest = await self._jobs.find(job.resource_id) or job
            await self._end(replace(latest, state=ReencryptionState.FAILED, failed=1, failure=error.message))
        return True

    async def _held(self, job: Reencryption) -> None:
        """Move the objects, and hold the job meanwhile; end when it was stopped, or is another instance's by now."""
        moving = asyncio.create_task(self._move_all(job))
        try:
            while not moving.done():
                await asyncio.wait({moving}, timeout=_HOLD_EVERY_SECONDS)
                if not moving.done() and not await self._hold(job):
                    return
            moving.result()
        finally:
            moving.cancel()
            await asyncio.wait({moving})

    async def _hold(self, job: Reencryption) -> bool:
        return await self._jobs.hold(job.resource_id, self._holder, until=self._clock() + _HELD_FOR)

    async def _move_all(self, job: Reencryption) -> None:
        resource = await self._store.find_resource(job.resource)
        if resource is None or resource.shredded_at:
            await self._end(replace(job, state=ReencryptionState.STOPPED, failure=Shredded.code))
            return
        run = _Run(job, resource)
        await self._count(run)
        await self._jobs.update(run.job, self._holder, until=self._clock() + _HELD_FOR)
        await self._move_outdated(run)
        await self._reseal(run)
        now = self._clock()
        run.job = replace(run.job, state=ReencryptionState.SETTLING, moved_at=now)
        await self._journal.append(event.reencrypted(run.job, at=now))
        await self._jobs.update(run.job, self._holder, until=now + self._moving.old_copies_for)

    async def _count(self, run: "_Run") -> None:
        """Say how much there is to do, with what was done before."""
        left: dict[str, int] = {}
        async with aclosing(self._outdated(run)) as batches:
            async for batch in batches:
                left |= {entry.object_id: entry.size for entry, _ in batch}
        run.job = replace(
            run.job,
            objects=run.job.moved + len(left),
            size=run.job.moved_bytes + sum(left.values()),
            failed=0,
            failure="",
        )

    async def _outdated(self, run: "_Run") -> AsyncGenerator[Sequence[tuple[FileEntry, FileEntry]], None]:
        """Yield the objects that are not where they shall be: as manifests know them, and as they are."""
        pages = self._pages_of(run.resource.id)
        for version in await self._store.list_versions(run.resource):
            async with aclosing(manifest.batches(manifest.root_of(version), pages)) as batches:
                async for batch in batches:
                    for at in range(0, len(batch), _AT_ONCE):
                        known = {entry.object_id: entry for entry in batch[at : at + _AT_ONCE]}
                        found = await follow(self._jobs, run.resource.id, list(known.values()))
                        both = zip(known.values(), found, strict=True)
                        outdated = [(entry, now) for entry, now in both if now.epoch < run.job.epoch]
                        if outdated:
                            yield outdated

    async def _move_outdated(self, run: "_Run") -> None:
        places = asyncio.Semaphore(self._moving.width)
        async with asyncio.TaskGroup() as group, aclosing(self._outdated(run)) as batches:
            async for batch in batches:
                for entry, current in batch:
                    if entry.object_id in run.seen or run.fault:
                        continue  # on its way, or failed
                    run.seen.add(entry.object_id)
                    await self._pace(run, entry.size)
                    await places.acquire()
                    group.create_task(self._move_one(run, entry, current, places))
                    if len(run.moved) >= _NOTED_TOGETHER:
                        await self._note(run)
                if run.fault:
                    break
        await self._note(run)
        if run.fault:
            raise run.fault

    async def _pace(self, run: "_Run", size: int) -> None:
        """Wait until the object may begin at the pace that was asked for."""
        if run.job.bytes_per_second is None:
            return
        loop = asyncio.get_running_loop()
        begin = max(run.begin_at, loop.time())
        run.begin_at = begin + size / run.job.bytes_per_second
        await asyncio.sleep(begin - loop.time())

    async def _note(self, run: "_Run") -> None:
        """Store what was moved since the last time, and how far the job is."""
        moved, run.moved = run.moved, []
        await self._jobs.add_moved(run.resource.id, [(found, before) for found, before, _ in moved])
        run.job = replace(
            run.job,
            moved=run.job.moved + len(moved),
            moved_bytes=run.job.moved_bytes + sum(size for _, _, size in moved),
        )
        await self._jobs.update(run.job, self._holder, until=self._clock() + _HELD_FOR)

    async def _move_one(self, run: "_Run", entry: FileEntry, current: FileEntry, places: asyncio.Semaphore) -> None:
        try:
            moved = await self._move(run, entry, current)
            run.moved.append((moved, current.object_id, entry.size))
        except (IntegrityError, NotFound) as error:
            run.fail(entry.object_id, error)  # it stays where it is; the others go on
        except Unavailable as error:
            run.fault = error  # what is under way ends, and is noted
        finally:
            places.release()

    async def _move(self, run: "_Run", entry: FileEntry, current: FileEntry) -> MovedObject:
        """Copy one object, read the copy back, and return where it is."""
        resource_id, epoch = run.resource.id, run.job.epoch
        old = object_key(
            await self._keys.data_key(resource_id, current.epoch), resource_id=resource_id, object_id=current.object_id
        )
        copy_id = f"{entry.object_id}@{epoch}"
        new = object_key(await self._keys.data_key(resource_id, epoch), resource_id=resource_id, object_id=copy_id)
        key_check = envelope.key_check(new)
        await self._copy(
            self._file(resource_id, current, old), object_key_in_bucket(resource_id, copy_id), new, size=entry.size
        )
        copied = replace(entry, object_id=copy_id, epoch=epoch, key_check=key_check)
        await self._elsewhere(self._moving.read_back, self._file(resource_id, copied, new))
        return MovedObject(entry.object_id, copy_id, epoch, key_check)

    def _file(self, resource_id: str, entry: FileEntry, key: bytes) -> SealedFile:
        link = self._signer.sign("GET", object_key_in_bucket(resource_id, entry.object_id), expires_in=_LINKS_LIVE)
        return SealedFile(link.url, key, entry.key_check, entry.size, entry.sha256)

    async def _copy(self, source: SealedFile, where: str, key: bytes, *, size: int) -> None:
        total = envelope.ciphertext_size(size)
        lengths = [min(PART_BYTES, total - at) for at in range(0, total, PART_BYTES)]
        if len(lengths) == 1:
            await self._elsewhere(
                self._moving.rewrite, Rewrite(source, key, PART_BYTES, (self._upload(where, lengths[0]),))
            )
            return
        upload_id = await self._objects.start_multipart(where)
        try:
            uploads = tuple(
                self._upload(where, length, {"partNumber": str(number), "uploadId": upload_id})
                for number, length in enumerate(lengths, 1)
            )
            etags = await self._elsewhere(self._moving.rewrite, Rewrite(source, key, PART_BYTES, uploads))
            await self._objects.finish_multipart(where, upload_id, etags)
        except BaseException:
            # Also when we are stopped: S3 would keep, and charge for, parts that nobody will ever join.
            with anyio.CancelScope(shield=True), suppress(GatewayError):
                await self._objects.abort_multipart(where, upload_id)
            raise

    def _upload(self, where: str, length: int, query: dict[str, str] | None = None) -> Upload:
        headers = {"content-length": str(length)}
        link = self._signer.sign("PUT", where, expires_in=_LINKS_LIVE, headers=headers, query=query)
        return Upload(link.url, dict(link.headers))

    async def _elsewhere(self, work: Callable[[_A], _T], argument: _A) -> _T:
        async with self._reaching:
            executor = await to_thread.run_sync(self._moving.executor)
        return await asyncio.wrap_future(executor.submit(work, argument))

    async def _reseal(self, run: "_Run") -> None:
        """Seal the manifest pages under the newest epoch as well: the names of files are secrets too."""
        packs, prefix = self._packs_of(run.resource.id), pack_prefix(run.resource.id)
        names = [stored.key.removeprefix(prefix) async for stored in self._objects.list(prefix)]
        for name in names:
            try:
                await self._reseal_one(packs, name, prefix + name, epoch=run.job.epoch)
            except IntegrityError as error:
                run.fail(f"pages {name}", error)
            except NotFound:
                continue  # collected meanwhile: nothing reached it

    async def _reseal_one(self, packs: PackStore, name: str, where: str, *, epoch: int) -> None:
        stored = await self._objects.get(where)
        if pack_epoch(stored) >= epoch:
            return
        await packs.put(name, await packs.get(name))
        try:
            await packs.get(name)
        except IntegrityError:
            await self._objects.put(where, stored)
            raise

    async def _settle(self, job: Reencryption) -> None:
        """Drop the old copies: no link to one is good any more."""
        while ids := await self._jobs.old_copies(job.resource_id, limit=_AT_ONCE):
            await self._objects.delete_all([object_key_in_bucket(job.resource_id, object_id) for object_id in ids])
            await self._jobs.drop_copies(job.resource_id, ids)
            if not await self._hold(job):
                return
        ended = ReencryptionState.FAILED if job.failed else ReencryptionState.DONE
        await self._end(replace(job, state=ended))

    async def _end(self, job: Reencryption) -> None:
        await self._journal.append(event.reencrypted(job, at=self._clock()))
        await self._jobs.update(job, self._holder, until=self._clock())


class _Run:
    """What one instance knows of a job that it works on."""

    def __init__(self, job: Reencryption, resource: Resource) -> None:
        self.job = job
        self.resource = resource
        self.seen: set[str] = set()
        self.moved: list[tuple[MovedObject, str, int]] = []
        """What was moved and is not stored yet: where it is, the copy before, and its size."""
        self.begin_at = 0.0
        """When the next one may begin, by the loop's time."""
        self.fault: Unavailable | None = None
        """The part that went away, which ends the run."""

    def fail(self, what: str, error: GatewayError) -> None:
        """Count something that could not be moved, and name the first."""
        failure = self.job.failure or f"{what}: {error.message}"
        self.job = replace(self.job, failed=self.job.failed + 1, failure=failure)
