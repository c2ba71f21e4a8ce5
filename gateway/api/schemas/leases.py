"""Leases and revocations: what is given for a time, and what is taken back. As JSON."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import AwareDatetime, Field

from gateway import model
from gateway.api.schemas.wire import MAX_SECONDS, Wire


class LeaseRequest(Wire):
    """A lease to make."""

    resources: Annotated[list[Annotated[str, Field(max_length=160)]], Field(min_length=1, max_length=100)]
    purpose: Annotated[str, Field(pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9 ._:/#@+-]{0,198}[A-Za-z0-9._])?$")]
    ttl_seconds: Annotated[int, Field(ge=1, le=MAX_SECONDS)]


class LeaseOut(Wire):
    """A lease."""

    id: str
    holder: str
    resources: list[str]
    purpose: str
    created_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, lease: model.Lease) -> Self:
        """Translate."""
        return cls(
            id=lease.id,
            holder=f"{lease.issuer}/{lease.holder}",
            resources=[str(name) for name in lease.resources],
            purpose=lease.purpose,
            created_at=lease.created_at,
            expires_at=lease.expires_at,
        )


class LeasesOut(Wire):
    """The leases that the caller may list."""

    leases: list[LeaseOut]


class RevocationRequest(Wire):
    """What to take back."""

    kind: model.RevocationKind
    value: Annotated[str, Field(min_length=1, max_length=320)]
    freeze_seconds: Annotated[
        int, Field(ge=0, le=MAX_SECONDS, description="For how long nothing new is issued either.")
    ] = 0
    issued_before: Annotated[
        AwareDatetime | None, Field(description="Only what was issued up to then; now, if left out.")
    ] = None


class RevocationOut(Wire):
    """What was taken back."""

    kind: model.RevocationKind
    value: str
    issued_before: datetime

    @classmethod
    def of(cls, revocation: model.Revocation) -> Self:
        """Translate."""
        return cls(kind=revocation.kind, value=revocation.value, issued_before=revocation.issued_before)
