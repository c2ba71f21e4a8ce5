"""The tables of what is done to keys over hours and days, and how their rows become the house's values."""

from datetime import datetime
from typing import Self

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from gateway.model import (
    MovedObject,
    PrincipalKind,
    Reencryption,
    ReencryptionState,
    ResourceName,
    Shred,
    ShredState,
    Signatory,
)
from gateway.state.models import Base, UtcDateTime

Json = dict[str, str]


class ShredRow(Base):
    """A shredding. One that was undone has no row: the audit journal remembers it."""

    __tablename__ = "shreds"
    __table_args__ = (Index(None, "state", "due_at"),)

    resource_id: Mapped[str] = mapped_column(ForeignKey("resources.id"), primary_key=True)
    resource: Mapped[str] = mapped_column(String(160))
    reason: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16))
    requested_by: Mapped[Json] = mapped_column(JSON)
    requested_at: Mapped[datetime] = mapped_column(UtcDateTime)
    approved_by: Mapped[Json | None] = mapped_column(JSON)
    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    begun_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    done_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    proof: Mapped[Json] = mapped_column(JSON)

    @classmethod
    def of(cls, shred: Shred) -> Self:
        """Return the row of the value."""
        return cls(
            resource_id=shred.resource_id,
            resource=str(shred.resource),
            reason=shred.reason,
            state=shred.state.value,
            requested_by=to_json(shred.requested_by),
            requested_at=shred.requested_at,
            approved_by=to_json(shred.approved_by) if shred.approved_by else None,
            due_at=shred.due_at,
            done_at=shred.done_at,
            proof=dict(shred.proof),
        )

    def value(self) -> Shred:
        """Return the value of the row."""
        return Shred(
            resource_id=self.resource_id,
            resource=ResourceName.parse(self.resource),
            reason=self.reason,
            state=ShredState(self.state),
            requested_by=from_json(self.requested_by),
            requested_at=self.requested_at,
            approved_by=from_json(self.approved_by) if self.approved_by else None,
            due_at=self.due_at,
            done_at=self.done_at,
            proof=dict(self.proof),
        )


class ReencryptionRow(Base):
    """A re-encryption, the newest of its resource, with who works on it."""

    __tablename__ = "reencryptions"
    __table_args__ = (Index(None, "state", "held_until"),)

    resource_id: Mapped[str] = mapped_column(ForeignKey("resources.id"), primary_key=True)
    resource: Mapped[str] = mapped_column(String(160))
    epoch: Mapped[int]
    state: Mapped[str] = mapped_column(String(16))
    requested_by: Mapped[Json] = mapped_column(JSON)
    requested_at: Mapped[datetime] = mapped_column(UtcDateTime)
    bytes_per_second: Mapped[int | None] = mapped_column(BigInteger)
    objects: Mapped[int] = mapped_column(BigInteger)
    size: Mapped[int] = mapped_column(BigInteger)
    moved: Mapped[int] = mapped_column(BigInteger)
    moved_bytes: Mapped[int] = mapped_column(BigInteger)
    failed: Mapped[int] = mapped_column(BigInteger)
    failure: Mapped[str] = mapped_column(Text)
    moved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    holder: Mapped[str] = mapped_column(String(80), server_default="")
    held_until: Mapped[datetime | None] = mapped_column(UtcDateTime)

    @classmethod
    def of(cls, job: Reencryption) -> Self:
        """Return the row of the value, which nobody holds."""
        return cls(
            resource_id=job.resource_id,
            resource=str(job.resource),
            epoch=job.epoch,
            state=job.state.value,
            requested_by=to_json(job.requested_by),
            requested_at=job.requested_at,
            bytes_per_second=job.bytes_per_second,
            objects=job.objects,
            size=job.size,
            moved=job.moved,
            moved_bytes=job.moved_bytes,
            failed=job.failed,
            failure=job.failure,
            moved_at=job.moved_at,
            holder="",
        )

    def value(self) -> Reencryption:
        """Return the value of the row."""
        return Reencryption(
            resource_id=self.resource_id,
            resource=ResourceName.parse(self.resource),
            epoch=self.epoch,
            state=ReencryptionState(self.state),
            requested_by=from_json(self.requested_by),
            requested_at=self.requested_at,
            bytes_per_second=self.bytes_per_second,
            objects=self.objects,
            size=self.size,
            moved=self.moved,
            moved_bytes=self.moved_bytes,
            failed=self.failed,
            failure=self.failure,
            moved_at=self.moved_at,
        )


class MovedObjectRow(Base):
    """Where an object is that manifests know under its first id."""

    __tablename__ = "moved_objects"

    resource_id: Mapped[str] = mapped_column(ForeignKey("resources.id"), primary_key=True)
    object_id: Mapped[str] = mapped_column(String(80), primary_key=True)
    current_id: Mapped[str] = mapped_column(String(96))
    epoch: Mapped[int]
    key_check: Mapped[str] = mapped_column(String(32))

    def value(self) -> MovedObject:
        """Return the value of the row."""
        return MovedObject(self.object_id, self.current_id, self.epoch, self.key_check)


class OldCopyRow(Base):
    """A copy in S3 that is no longer the one, and not dropped yet."""

    __tablename__ = "old_copies"

    resource_id: Mapped[str] = mapped_column(ForeignKey("resources.id"), primary_key=True)
    object_id: Mapped[str] = mapped_column(String(96), primary_key=True)


def to_json(who: Signatory) -> Json:
    """Return what a column holds of a person or workload."""
    return {"issuer": who.issuer, "subject": who.subject, "name": who.name, "kind": who.kind.value}


def from_json(found: Json) -> Signatory:
    """Return who it is."""
    return Signatory(found["issuer"], found["subject"], found["name"], PrincipalKind(found["kind"]))
