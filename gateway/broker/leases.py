"""Leases: leave to renew links for as long as a job runs, for one purpose. Links and keys end with their lease."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from gateway.broker.access import Caller, Guard
from gateway.broker.resolve import known
from gateway.broker.revoke import revocation_of
from gateway.clock import Clock
from gateway.errors import GatewayError, InvalidInput, Revoked, UnknownLease
from gateway.model import Lease, Mark, Principal, ResourceName, RevocationKind
from gateway.ports import CatalogStore, LeaseStore, Revocations

_ID_BYTES = 16
_PAGE = 500
_HOLDER, _SELF, _OTHER = "gateway:LeaseHolder", "self", "other"
_UNKNOWN_HINT = "'gateway lease ls' lists yours; make another with 'gateway lease create'."


@dataclass(frozen=True, slots=True)
class Hold:
    """The lease that a request came with, or why it does not hold. Without one, nothing is held and nothing refused."""

    lease: Lease | None = None
    refusal: GatewayError | None = None

    @property
    def context(self) -> dict[str, str]:
        """What conditions may ask of it."""
        return {"gateway:Purpose": self.lease.purpose} if self.lease else {}

    def require(self) -> Lease | None:
        """Return the lease, if there is one. Raises what is in its way, in the course of what is recorded."""
        if self.refusal is not None:
            raise self.refusal
        return self.lease


class Leases:
    """The lease use cases."""

    def __init__(
        self,
        guard: Guard,
        store: CatalogStore,
        leases: LeaseStore,
        revocations: Revocations,
        clock: Clock,
        *,
        longest: timedelta,
    ) -> None:
        self._guard = guard
        self._store = store
        self._leases = leases
        self._revocations = revocations
        self._clock = clock
        self._longest = longest

    async def create(self, caller: Caller, names: Sequence[ResourceName], *, purpose: str, life: timedelta) -> Lease:
        """Make a lease on the resources. Each is decided; one refusal refuses them all.

        Raises:
            AccessDenied: policy says no to one of the resources, for this purpose.
            UnknownResource: there is no such resource.
            InvalidInput: the life is out of bounds.
        """
        found = [await self._store.find_resource(name) for name in names]
        extra = {"gateway:Purpose": purpose}
        grants = [
            self._guard.ask(caller, "gateway:CreateLease", str(name), about=about, extra=extra)
            for name, about in zip(names, found, strict=True)
        ]
        async with self._guard.recorded(grants):
            if not timedelta(0) < life <= self._longest:
                days = self._longest / timedelta(days=1)
                raise InvalidInput("A lease cannot be that long.", hint=f"Ask for up to {days:g} days.")
            for name, about in zip(names, found, strict=True):
                known(about, name)
            lease = self._new(caller.principal, names, purpose, life)
            await self._revocations.check(_marks(lease), issued_at=lease.created_at)
            for grant in grants:
                grant.facts |= {"lease": lease.id, "ttl_seconds": int(life.total_seconds())}
            await self._leases.add(lease)
            return lease

    def _new(self, holder: Principal, names: Sequence[ResourceName], purpose: str, life: timedelta) -> Lease:
        now = self._clock()
        return Lease(
            id=secrets.token_hex(_ID_BYTES),
            issuer=holder.issuer,
            subject=holder.subject,
            holder=holder.name,
            resources=tuple(dict.fromkeys(names)),
            purpose=purpose,
            created_at=now,
            expires_at=now + life,
        )

    async def hold(self, caller: Caller, lease_id: str | None, name: ResourceName) -> Hold:
        """Return the caller's own lease of this id, if it is in force and covers the resource, or what is wrong."""
        if lease_id is None:
            return Hold()
        lease = await self._leases.find(lease_id)
        mine = (caller.principal.issuer, caller.principal.subject)
        if lease is None or (lease.issuer, lease.subject) != mine or lease.expires_at <= self._clock():
            return Hold(refusal=UnknownLease(f"You have no lease {lease_id}.", hint=_UNKNOWN_HINT))
        if name not in lease.resources:
            return Hold(refusal=UnknownLease(f"Lease {lease_id} is not for {name}.", hint=_UNKNOWN_HINT))
        try:
            await self._revocations.check(_marks(lease), issued_at=lease.created_at)
        except Revoked as error:
            return Hold(refusal=error)
        return Hold(lease)

    async def list(self, caller: Caller) -> Sequence[Lease]:
        """Return the leases in force that the caller may list: each is asked for, as its holder's or another's."""
        own = {_HOLDER: _SELF}
        async with self._guard.reading(caller, "gateway:ListLeases", "lease/*", extra=own) as grant:
            visible: list[Lease] = []
            after = ""
            while page := await self._leases.in_force(after=after, limit=_PAGE):
                after = page[-1].id
                visible += [lease for lease in page if self._may_list(caller, lease) and await self._stands(lease)]
            grant.facts["leases"] = len(visible)
            return visible

    def _may_list(self, caller: Caller, lease: Lease) -> bool:
        extra = _holder(caller, lease)
        return self._guard.ask(caller, "gateway:ListLeases", f"lease/{lease.id}", extra=extra).decision.allowed

    async def _stands(self, lease: Lease) -> bool:
        try:
            await self._revocations.check(_marks(lease), issued_at=lease.created_at)
        except Revoked:
            return False
        return True

    async def revoke(self, caller: Caller, lease_id: str) -> None:
        """End a lease, and all links that were issued under it.

        Raises:
            AccessDenied: policy says no; said of a lease that does not exist as of somebody else's.
            UnknownLease: there is none in force.
        """
        lease = await self._leases.find(lease_id)
        extra = _holder(caller, lease)
        async with self._guard.changing(caller, "gateway:RevokeLease", f"lease/{lease_id}", extra=extra) as grant:
            now = self._clock()
            if lease is None or lease.expires_at <= now:
                raise UnknownLease(f"There is no lease {lease_id}.", hint=_UNKNOWN_HINT)
            grant.facts["lease"] = lease_id
            await self._revocations.add(
                revocation_of(RevocationKind.LEASE, lease_id, at=now, until=lease.expires_at, by=caller.principal)
            )


def _holder(caller: Caller, lease: Lease | None) -> dict[str, str]:
    mine = (caller.principal.issuer, caller.principal.subject)
    return {_HOLDER: _SELF if lease and (lease.issuer, lease.subject) == mine else _OTHER}


def _marks(lease: Lease) -> tuple[Mark, ...]:
    holder = Mark(RevocationKind.PRINCIPAL, f"{lease.issuer}/{lease.holder}")
    resources = (Mark(RevocationKind.RESOURCE, str(name)) for name in lease.resources)
    subject = Mark(RevocationKind.SUBJECT, f"{lease.issuer}/{lease.subject}")
    issuer = Mark(RevocationKind.ISSUER, lease.issuer)
    return (holder, subject, issuer, Mark(RevocationKind.LEASE, lease.id), *resources)
