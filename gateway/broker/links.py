"""Issues links: decide, resolve, find the file, derive its key, sign, record. Most requests are this one."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from gateway.broker.access import Caller, Guard
from gateway.broker.layout import object_key_in_bucket
from gateway.broker.pages import PagesOf
from gateway.broker.resolve import find_version, known
from gateway.catalog import manifest
from gateway.clock import Clock
from gateway.errors import InvalidInput, TokenExpired
from gateway.keys.datakeys import DataKeys
from gateway.keys.derive import object_key
from gateway.links.claims import StreamGrant
from gateway.links.stream import StreamLinks
from gateway.model import FileEntry, Link, LinkMode, Resource, ResourceName, Version, VersionRef, check_path
from gateway.ports import CatalogStore, LinkSigner

StreamLinksSource = Callable[[], Awaitable[StreamLinks]]
"""Returns the issuer of stream links, whose secret Vault unwraps when it is first needed."""

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long links may live."""

    default: timedelta
    least: timedelta
    most: timedelta

    def __str__(self) -> str:
        return f"{self.least.total_seconds():g} to {self.most.total_seconds():g} s"


@dataclass(frozen=True, slots=True)
class IssuedLink:
    """A link to a file, with the key that opens it if the bytes come straight from S3."""

    entry: FileEntry
    get: Link
    head: Link
    object_key: bytes | None = field(repr=False)


class Links:
    """The link use cases."""

    def __init__(
        self,
        guard: Guard,
        store: CatalogStore,
        signer: LinkSigner,
        stream_links: StreamLinksSource,
        keys: DataKeys,
        pages_of: PagesOf,
        clock: Clock,
        *,
        lifetimes: Lifetimes,
    ) -> None:
        self._guard = guard
        self._store = store
        self._signer = signer
        self._stream_links = stream_links
        self._keys = keys
        self._pages_of = pages_of
        self._clock = clock
        self._lifetimes = lifetimes

    async def issue(
        self,
        caller: Caller,
        name: ResourceName,
        ref: VersionRef,
        *,
        paths: Sequence[str],
        mode: LinkMode,
        ttl: timedelta | None,
    ) -> tuple[Version, Sequence[IssuedLink]]:
        """Return a link for each path, all of one version. Each path is decided; one refusal refuses them all.

        Raises:
            AccessDenied: policy says no to one of the paths.
            NotFound: there is no such resource, version or file.
            InvalidInput: the lifetime is out of bounds, or a path breaks the rules.
        """
        wanted = ttl if ttl is not None else self._lifetimes.default
        extra = {"gateway:LinkMode": mode.value, "gateway:LinkTtl": str(int(wanted.total_seconds()))}
        found = await self._store.find_resource(name)
        grants = [
            self._guard.ask(caller, "gateway:ReadFile", f"{name}/{ref}/{check_path(path)}", about=found, extra=extra)
            for path in paths
        ]
        async with self._guard.recorded(grants):
            expires_in = self._true_lifetime(caller, wanted)
            resource = known(found, name)
            version = await find_version(self._store, resource, ref)
            issue = self._direct if mode is LinkMode.DIRECT else self._stream
            issued = []
            for path, grant in zip(paths, grants, strict=True):
                grant.version = version
                grant.facts |= {"mode": mode.value, "ttl_seconds": int(expires_in.total_seconds())}
                self._guard.recheck(grant, f"{name}/v{version.number}/{path}")
                entry = await self._find(resource, version, path)
                link = await issue(caller, resource, version, entry, expires_in)
                if link.get.id:
                    grant.facts["link"] = link.get.id
                issued.append(link)
            return version, issued

    def _true_lifetime(self, caller: Caller, wanted: timedelta) -> timedelta:
        """Return the lifetime that a link gets: what was wanted, and no longer than the caller's own token."""
        if not self._lifetimes.least <= wanted <= self._lifetimes.most:
            raise InvalidInput(
                f"A link cannot live for {wanted.total_seconds():g} s.",
                hint=f"Ask for {self._lifetimes}.",
            )
        if caller.principal.expires_at is None:
            return wanted
        left = caller.principal.expires_at - self._clock()
        if left < _SECOND:
            raise TokenExpired("Your login ends within a second.", hint="Log in again with 'gateway login'.")
        return min(wanted, left)

    async def _find(self, resource: Resource, version: Version, path: str) -> FileEntry:
        return await manifest.lookup(version.digest.removeprefix("sha256:"), path, self._pages_of(resource.id))

    async def _direct(
        self, caller: Caller, resource: Resource, version: Version, entry: FileEntry, expires_in: timedelta
    ) -> IssuedLink:
        del caller, version  # S3 knows neither
        data_key = await self._keys.data_key(resource.id, entry.epoch)
        key = object_key_in_bucket(resource.id, entry.object_id)
        get = self._signer.sign("GET", key, expires_in=expires_in)
        head = self._signer.sign("HEAD", key, expires_in=expires_in)
        return IssuedLink(entry, get, head, object_key(data_key, resource_id=resource.id, object_id=entry.object_id))

    async def _stream(
        self, caller: Caller, resource: Resource, version: Version, entry: FileEntry, expires_in: timedelta
    ) -> IssuedLink:
        links = await self._stream_links()
        granted = StreamGrant(caller.principal, resource.id, resource.name, version.number, entry)
        link = links.issue(granted, expires_in=expires_in)
        return IssuedLink(entry, link, link, None)
