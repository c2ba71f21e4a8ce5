"""Issues links: decide, resolve, find the file, derive its key, sign, record. Most requests are this one."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gateway.broker.access import Caller, Guard
from gateway.broker.layout import object_key_in_bucket
from gateway.broker.leases import Leases
from gateway.broker.moved import follow
from gateway.broker.pages import PagesOf
from gateway.broker.resolve import find_version, known
from gateway.catalog import manifest
from gateway.clock import Clock
from gateway.errors import InvalidInput, TokenExpired
from gateway.identity.encoding import decode_base64url
from gateway.keys.datakeys import DataKeys
from gateway.keys.derive import object_key
from gateway.links.claims import StreamGrant
from gateway.links.restrictions import UNRESTRICTED, Restrictions
from gateway.links.stream import StreamLinks
from gateway.model import (
    FileEntry,
    Lease,
    Link,
    LinkMode,
    Resource,
    ResourceName,
    Version,
    VersionRef,
    check_path,
    marks_of,
)
from gateway.ports import CatalogStore, LinkSigner, ReencryptionStore, Revocations

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

    def true_life(self, wanted: timedelta, caller: Caller, lease: Lease | None, *, now: datetime) -> timedelta:
        """Return the life that a link gets: what was wanted, and no longer than the caller's token and the lease.

        The signer shortens it further where its own credentials end sooner.

        Raises:
            InvalidInput: more or less was wanted than links may have.
            TokenExpired: nothing is left of the token, or of the lease.
        """
        if not self.least <= wanted <= self.most:
            raise InvalidInput(f"A link cannot live for {wanted.total_seconds():g} s.", hint=f"Ask for {self}.")
        ends = [end for end in (caller.principal.expires_at, lease and lease.expires_at) if end]
        left = min(ends) - now if ends else wanted
        if left < _SECOND:
            raise TokenExpired("Your login or lease ends within a second.", hint="Log in again with 'gateway login'.")
        return min(wanted, left // _SECOND * _SECOND)


@dataclass(frozen=True, slots=True)
class IssuedLink:
    """A link to a file, with the key that opens it if the bytes come straight from S3."""

    entry: FileEntry
    get: Link
    head: Link
    object_key: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Issuing:
    """What links are issued with, one by one or by the thousand."""

    guard: Guard
    store: CatalogStore
    signer: LinkSigner
    stream_links: StreamLinksSource
    keys: DataKeys
    pages_of: PagesOf
    clock: Clock
    lifetimes: Lifetimes = field(kw_only=True)
    leases: Leases = field(kw_only=True)
    revocations: Revocations = field(kw_only=True)
    moves: ReencryptionStore = field(kw_only=True)


class Links:
    """The link use cases."""

    def __init__(self, parts: Issuing) -> None:
        self._parts = parts

    async def issue(
        self,
        caller: Caller,
        name: ResourceName,
        ref: VersionRef,
        *,
        paths: Sequence[str],
        mode: LinkMode,
        ttl: timedelta | None,
        restrictions: Restrictions = UNRESTRICTED,
        lease_id: str | None = None,
    ) -> tuple[Version, Sequence[IssuedLink]]:
        """Return a link for each path, all of one version. Each path is decided; one refusal refuses them all.

        Raises:
            AccessDenied: policy says no to one of the paths.
            NotFound: there is no such resource, version or file.
            InvalidInput: the lifetime is out of bounds, a path breaks the rules, or S3 could not hold to a restriction.
            UnknownLease: there is no such lease of the caller's on this resource.
            Revoked: the lease, or what is asked for, was revoked.
        """
        wanted = ttl if ttl is not None else self._parts.lifetimes.default
        held = await self._parts.leases.hold(caller, lease_id, name)
        extra = {"gateway:LinkMode": mode.value, "gateway:LinkTtl": str(int(wanted.total_seconds())), **held.context}
        found = await self._parts.store.find_resource(name)
        ask = self._parts.guard.ask
        grants = [
            ask(caller, "gateway:ReadFile", f"{name}/{ref}/{check_path(path)}", about=found, extra=extra)
            for path in paths
        ]
        async with self._parts.guard.recorded(grants):
            lease, now = held.require(), self._parts.clock()

            def life() -> timedelta:
                # Asked anew when it is signed: to find and open a file may take seconds, which must not be added.
                return self._parts.lifetimes.true_life(wanted, caller, lease, now=self._parts.clock())

            expires_in = life()
            await self._parts.revocations.check(marks_of(caller.principal, name), issued_at=now)
            restrictions = bound(restrictions, mode, caller, lease)
            resource = known(found, name)
            version = await find_version(self._parts.store, resource, ref)
            issue = self._direct if mode is LinkMode.DIRECT else self._stream
            issued = []
            for path, grant in zip(paths, grants, strict=True):
                grant.version = version
                grant.facts |= {"mode": mode.value, "ttl_seconds": int(expires_in.total_seconds())}
                if lease is not None:
                    grant.facts["lease"] = lease.id
                self._parts.guard.recheck(grant, f"{name}/v{version.number}/{path}")
                entry = await self._find(resource, version, path)
                link = await issue(caller, resource, version, entry, life, restrictions)
                if link.get.id:
                    grant.facts["link"] = link.get.id
                issued.append(link)
            return version, issued

    async def _find(self, resource: Resource, version: Version, path: str) -> FileEntry:
        entry = await manifest.lookup(manifest.root_of(version), path, self._parts.pages_of(resource.id))
        [current] = await follow(self._parts.moves, resource.id, [entry])
        return current

    async def _direct(
        self,
        caller: Caller,
        resource: Resource,
        version: Version,
        entry: FileEntry,
        life: Callable[[], timedelta],
        restrictions: Restrictions,
    ) -> IssuedLink:
        del caller, version, restrictions  # S3 knows none of them
        data_key = await self._parts.keys.data_key(resource.id, entry.epoch)
        key, expires_in = object_key_in_bucket(resource.id, entry.object_id), life()
        get = self._parts.signer.sign("GET", key, expires_in=expires_in)
        head = self._parts.signer.sign("HEAD", key, expires_in=expires_in)
        return IssuedLink(entry, get, head, object_key(data_key, resource_id=resource.id, object_id=entry.object_id))

    async def _stream(
        self,
        caller: Caller,
        resource: Resource,
        version: Version,
        entry: FileEntry,
        life: Callable[[], timedelta],
        restrictions: Restrictions,
    ) -> IssuedLink:
        links = await self._parts.stream_links()
        granted = StreamGrant(
            caller.principal, resource.id, resource.name, version.number, entry, restrictions=restrictions
        )
        link = links.issue(granted, expires_in=life())
        return IssuedLink(entry, link, link, None)


def bound(restrictions: Restrictions, mode: LinkMode, caller: Caller, lease: Lease | None) -> Restrictions:
    """Return the restrictions of a link, with the lease that it ends with; a key is the caller's own, or none.

    Raises:
        InvalidInput: S3 could not hold a direct link to them, or it shall be bound and the caller's token is not.
    """
    if mode is LinkMode.DIRECT and restrictions != UNRESTRICTED:
        raise InvalidInput(
            "S3 cannot hold a direct link to a range, a network, a number of uses or a key.",
            hint="Ask for a stream link: --mode stream.",
        )
    if restrictions.key is not None:
        thumbprint = caller.principal.key_thumbprint
        if not thumbprint:
            raise InvalidInput("Your token is bound to no key, so that a link cannot be.", hint="Log in with a key.")
        restrictions = replace(restrictions, key=decode_base64url(thumbprint))
    return replace(restrictions, lease=lease.id) if lease else restrictions
