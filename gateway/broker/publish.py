"""Publishing: a push is opened, its objects are uploaded straight to S3, and a commit makes them a version.

Nothing is visible before the commit, and the commit is one transaction.
"""

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta

from gateway import envelope
from gateway.broker.access import Caller, Grant, Guard
from gateway.broker.coming import Coming, KeptFile, NewFile, Uploaded
from gateway.broker.kept import Kept
from gateway.broker.layout import object_key_in_bucket
from gateway.broker.pages import PagesOf
from gateway.broker.provenance import NO_PROVENANCE, Provenance, resolve_inputs
from gateway.broker.resolve import known
from gateway.catalog import manifest
from gateway.catalog.builder import build
from gateway.catalog.sorter import Sorter
from gateway.clock import Clock
from gateway.errors import (
    GatewayError,
    IncompleteUpload,
    InvalidInput,
    PushClosed,
    TokenExpired,
    TooLarge,
    UnknownPush,
    UnknownVersion,
)
from gateway.keys.datakeys import DataKeys
from gateway.keys.derive import ObjectKeys, object_key
from gateway.model import Input, Link, Push, Resource, ResourceName, Version
from gateway.ports import CatalogStore, LinkSigner, ObjectStore

PART_BYTES = 64 << 20
"""Bytes of ciphertext that travel in one PUT; a longer object is uploaded in parts."""
MAX_PARTS = 10_000
"""S3's limit on the parts of an upload (AWS, "Amazon S3 multipart upload limits")."""
PUSH_LIFETIME = timedelta(hours=24)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Upload:
    """An object that the client may encrypt and upload."""

    number: int
    object_key: bytes = field(repr=False)
    ciphertext_size: int
    parts: int
    link: Link | None
    """Where to PUT it whole; none if it needs parts."""


@dataclass(frozen=True, slots=True)
class _Session:
    caller: Caller
    resource: Resource
    push: Push


@dataclass(frozen=True, slots=True)
class _About:
    """What is said of the coming version, beside its files."""

    message: str
    tags: Sequence[str]
    provenance: Provenance
    inputs: Sequence[Input]


class Publish:
    """The publishing use cases."""

    def __init__(
        self,
        guard: Guard,
        store: CatalogStore,
        objects: ObjectStore,
        signer: LinkSigner,
        keys: DataKeys,
        pages_of: PagesOf,
        clock: Clock,
        *,
        link_ttl: timedelta,
    ) -> None:
        self._guard = guard
        self._store = store
        self._objects = objects
        self._signer = signer
        self._keys = keys
        self._pages_of = pages_of
        self._clock = clock
        self._link_ttl = link_ttl

    async def open(self, caller: Caller, name: ResourceName, *, description: str) -> tuple[Push, Version | None]:
        """Start a push, creating the resource and its KEK if they are new; return it with the newest version."""
        found = await self._store.find_resource(name)
        async with self._guard.changing(caller, "gateway:PublishVersion", str(name), about=found):
            resource = found or await self._create(caller, name, description)
            epoch, _ = await self._keys.current(resource.id)
            push = self._new_push(caller, resource, epoch)
            await self._store.open_push(push)
            newest = (await self._store.tags(resource)).get("latest")
            return push, await self._store.find_version(resource, number=newest) if newest else None

    async def _create(self, caller: Caller, name: ResourceName, description: str) -> Resource:
        async with self._guard.changing(caller, "gateway:CreateResource", str(name)):
            return await self._store.create_resource(
                Resource(secrets.token_hex(16), name, self._clock(), caller.principal.name, description)
            )

    def _new_push(self, caller: Caller, resource: Resource, epoch: int) -> Push:
        return Push(
            id=secrets.token_hex(16),
            resource_id=resource.id,
            issuer=caller.principal.issuer,
            subject=caller.principal.subject,
            epoch=epoch,
            created_at=self._clock(),
            expires_at=self._clock() + PUSH_LIFETIME,
        )

    async def add_objects(
        self, caller: Caller, name: ResourceName, push_id: str, sizes: Sequence[int]
    ) -> Sequence[Upload]:
        """Reserve an object for each plaintext size, and return its key and where to put it."""
        found = await self._store.find_resource(name)
        async with self._guard.changing(caller, "gateway:PublishVersion", str(name), about=found) as grant:
            session = await self._session(caller, known(found, name), push_id)
            for size in sizes:
                if envelope.ciphertext_size(size) > MAX_PARTS * PART_BYTES:
                    raise TooLarge(f"A file of {size:,} bytes is over the limit of {MAX_PARTS * PART_BYTES:,}.")
            data_key = await self._keys.data_key(session.resource.id, session.push.epoch)
            first = await self._store.reserve_objects(session.push.id, len(sizes))
            grant.facts |= {"objects": len(sizes), "bytes": sum(sizes)}
            return [await self._upload(session, data_key, first + i, size) for i, size in enumerate(sizes)]

    async def _upload(self, session: _Session, data_key: bytes, number: int, size: int) -> Upload:
        object_id = f"{session.push.id}/{number}"
        key = object_key_in_bucket(session.resource.id, object_id)
        total = envelope.ciphertext_size(size)
        parts = -(-total // PART_BYTES)
        if parts > 1:
            await self._start(session, number, key)
        return Upload(
            number=number,
            object_key=object_key(data_key, resource_id=session.resource.id, object_id=object_id),
            ciphertext_size=total,
            parts=parts,
            link=self._whole(session.caller, key, total) if parts == 1 else None,
        )

    async def _start(self, session: _Session, number: int, key: str) -> None:
        upload_id = await self._objects.start_multipart(key)
        try:
            await self._store.add_upload(session.push.id, number, upload_id)
        except GatewayError:
            # Nobody will ever name it: S3 would keep, and charge for, its parts.
            await self._objects.abort_multipart(key, upload_id)
            raise

    def _whole(self, caller: Caller, key: str, size: int) -> Link:
        # Signed to write once: the link may outlive the commit, and what is published never changes.
        return self._put_link(caller, key, size, headers={"if-none-match": "*"})

    def _put_link(
        self,
        caller: Caller,
        key: str,
        size: int,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Link:
        # The length is signed: S3 refuses a body that is longer or shorter than announced.
        signed = {"content-length": str(size), **(headers or {})}
        return self._signer.sign("PUT", key, expires_in=self._life(caller), headers=signed, query=query)

    def _life(self, caller: Caller) -> timedelta:
        """Return how long a link to upload may live: no longer than the login that it was asked for with."""
        ends = caller.principal.expires_at
        left = ends - self._clock() if ends else self._link_ttl
        if left < _SECOND:
            raise TokenExpired("Your login ends within a second.", hint="Log in again with 'gateway login'.")
        return min(self._link_ttl, left // _SECOND * _SECOND)

    async def part_links(
        self, caller: Caller, name: ResourceName, push_id: str, number: int, *, size: int, parts: Sequence[int]
    ) -> tuple[bytes, Sequence[tuple[int, int, Link]]]:
        """Return an object's key, for whoever goes on with it, and (number, bytes, link) of each wanted part.

        `size` is that of the plaintext.
        """
        found = await self._store.find_resource(name)
        async with self._guard.changing(caller, "gateway:PublishVersion", str(name), about=found) as grant:
            session = await self._session(caller, known(found, name), push_id)
            key, upload_id = await self._multipart(session, number)
            data_key = await self._keys.data_key(session.resource.id, session.push.epoch)
            opens = object_key(data_key, resource_id=session.resource.id, object_id=f"{push_id}/{number}")
            grant.facts["parts"] = len(parts)
            return opens, [(part, *self._part(caller, key, upload_id, size, part)) for part in parts]

    def _part(self, caller: Caller, key: str, upload_id: str, size: int, part: int) -> tuple[int, Link]:
        start = (part - 1) * PART_BYTES
        length = min(PART_BYTES, envelope.ciphertext_size(size) - start)
        if length <= 0:
            raise InvalidInput(f"An object of {size:,} bytes has no part {part}.")
        return length, self._put_link(caller, key, length, query={"partNumber": str(part), "uploadId": upload_id})

    async def finish_object(
        self, caller: Caller, name: ResourceName, push_id: str, number: int, etags: Sequence[str]
    ) -> None:
        """Join an object's parts. A call that is repeated, as its answer was lost, finds them joined."""
        found = await self._store.find_resource(name)
        async with self._guard.changing(caller, "gateway:PublishVersion", str(name), about=found):
            session = await self._session(caller, known(found, name), push_id)
            key, upload_id = await self._multipart(session, number)
            try:
                await self._objects.finish_multipart(key, upload_id, etags)
            except IncompleteUpload:
                # S3 forgets an upload once it is joined. That the object is whole, the commit sees to.
                if not await self._objects.exists(key):
                    raise

    async def _multipart(self, session: _Session, number: int) -> tuple[str, str]:
        upload_id = await self._store.find_upload(session.push.id, number)
        if upload_id is None:
            raise UnknownPush(f"Object {number} of push {session.push.id} is not uploaded in parts.")
        return object_key_in_bucket(session.resource.id, f"{session.push.id}/{number}"), upload_id

    async def commit(
        self,
        caller: Caller,
        name: ResourceName,
        push_id: str,
        files: AsyncIterator[NewFile | KeptFile],
        *,
        message: str,
        tags: Sequence[str],
        provenance: Provenance = NO_PROVENANCE,
    ) -> Version:
        """Make the files a version: all of them, or nothing. A commit that is repeated returns the same version.

        Raises:
            AccessDenied: policy says no to publishing, to moving one of the tags, to reading a file that is kept, or to
                describing what it was made from.
            IncompleteUpload: an object is missing, or not as long as announced.
            VersionExists: the newest version is this very content.
        """
        found = await self._store.find_resource(name)
        async with AsyncExitStack() as decided:
            publishing = self._guard.changing(caller, "gateway:PublishVersion", str(name), about=found)
            grants = [await decided.enter_async_context(publishing)]
            for tag in dict.fromkeys(tags):
                moving = self._guard.changing(caller, "gateway:MoveTag", f"{name}/{tag}", about=found)
                grants.append(await decided.enter_async_context(moving))
            session = await self._session(caller, known(found, name), push_id, committing=True)
            inputs = await resolve_inputs(self._guard, self._store, caller, provenance, decided)
            about = _About(message, tags, provenance, inputs)
            version = await self._commit(session, files, about)
            for grant in grants:
                grant.version = version
            _count(grants[0], version)
            return version

    async def _commit(self, session: _Session, files: AsyncIterator[NewFile | KeptFile], about: _About) -> Version:
        if session.push.committed_as is not None:
            return await self._version(session.resource, session.push.committed_as)
        with Sorter() as sorter:
            pages = self._pages_of(session.resource.id)
            kept = Kept(self._guard, self._store, pages, caller=session.caller, resource=session.resource)
            await self._take(session, files, kept, sorter)
            known = await manifest.known_places([manifest.root_of(version) for version in kept.versions], pages)
            built = await build(sorter.sorted(), pages.packs, push_id=session.push.id, known=known)
        coming = Version(
            resource=session.resource.name,
            number=0,  # the store gives the next one
            digest=f"sha256:{built.root.digest}",
            file_count=built.root.file_count,
            total_bytes=built.root.total_bytes,
            published_at=self._clock(),
            published_by=session.caller.principal.name,
            message=about.message,
            pack=built.pack,
            commit=about.provenance.commit,
            run=about.provenance.run,
        )
        return await self._store.commit_push(
            session.push,
            coming,
            ["latest", *about.tags],
            taken_from=[version.number for version in kept.versions],
            inputs=about.inputs,
        )

    async def _take(
        self, session: _Session, files: AsyncIterator[NewFile | KeptFile], kept: Kept, sorter: Sorter
    ) -> None:
        data_key = await self._keys.data_key(session.resource.id, session.push.epoch)
        keys = ObjectKeys(data_key, session.resource.id)
        uploaded = await Uploaded.of(session.push, self._objects)
        await Coming(session.push, keys, uploaded, kept, sorter).take(files)
        if not sorter.count:
            raise InvalidInput("The commit names no file.", hint="A version has at least one.")

    async def _version(self, resource: Resource, number: int) -> Version:
        version = await self._store.find_version(resource, number=number)
        if version is None:
            raise UnknownVersion(f"{resource.name} has no version v{number}.")
        return version

    async def abort(self, caller: Caller, name: ResourceName, push_id: str) -> None:
        """Close a push without publishing; its objects are nobody's then. It may be repeated until all is dropped."""
        found = await self._store.find_resource(name)
        async with self._guard.changing(caller, "gateway:PublishVersion", str(name), about=found):
            session = await self._session(caller, known(found, name), push_id, aborting=True)
            for number, upload_id in await self._store.close_push(session.push.id):
                key = object_key_in_bucket(session.resource.id, f"{session.push.id}/{number}")
                await self._objects.abort_multipart(key, upload_id)

    async def _session(
        self, caller: Caller, resource: Resource, push_id: str, *, committing: bool = False, aborting: bool = False
    ) -> _Session:
        """Return the push if it is this caller's, on this resource, and open; or over, by what is now repeated."""
        push = await self._store.find_push(push_id)
        mine = (caller.principal.issuer, caller.principal.subject)
        if push is None or push.resource_id != resource.id or (push.issuer, push.subject) != mine:
            raise UnknownPush(
                f"You have no push {push_id} on {resource.name}.", hint="Start again with 'gateway push'."
            )
        if push.committed_as is not None:
            if not committing:
                raise PushClosed(f"Push {push_id} is published as {resource.name}@v{push.committed_as}.")
        elif not aborting and (push.closed or push.expires_at <= self._clock()):
            raise PushClosed(f"Push {push_id} on {resource.name} is over.", hint="Start again with 'gateway push'.")
        return _Session(caller, resource, push)


def _count(grant: Grant, version: Version) -> None:
    grant.facts |= {"files": version.file_count, "bytes": version.total_bytes}
