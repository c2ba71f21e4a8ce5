"""The tables, and how their rows become the house's values: here and nowhere else.

The migrations make these tables; a test holds the two together. No column ever holds a key in the clear.
"""

from datetime import UTC, datetime
from typing import Self

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    MetaData,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from gateway.model import (
    Holding,
    Input,
    Lease,
    Push,
    Resource,
    ResourceKind,
    ResourceName,
    Revocation,
    RevocationKind,
    Secret,
    Version,
)
from gateway.ports import Report, WrappedKey


class UtcDateTime(TypeDecorator[datetime]):
    """An aware `datetime` in UTC, on databases with and without time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive time, which would be taken for UTC by one database and for local time by another."""
        del dialect
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time as UTC; SQLite keeps none, PostgreSQL answers in the session's."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _name(length: int) -> String:
    """Return a column type that sorts by code point, as Python does, whatever the database's language is."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


class Base(DeclarativeBase):
    """All tables. Constraints are named, so that a later migration can name them."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        }
    )


class ResourceRow(Base):
    """A dataset or model."""

    __tablename__ = "resources"
    __table_args__ = (UniqueConstraint("kind", "namespace", "name"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    kind: Mapped[str] = mapped_column(_name(16))
    namespace: Mapped[str] = mapped_column(_name(63))
    name: Mapped[str] = mapped_column(_name(63))
    description: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(Text)
    tags: Mapped[dict[str, str]] = mapped_column(JSON, server_default="{}")
    shredded_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    @classmethod
    def of(cls, resource: Resource) -> Self:
        """Return the row of the value."""
        return cls(
            id=resource.id,
            kind=resource.name.kind.value,
            namespace=resource.name.namespace,
            name=resource.name.name,
            description=resource.description,
            created_at=resource.created_at,
            created_by=resource.created_by,
            tags=dict(resource.tags),
            shredded_at=resource.shredded_at,
        )

    def value(self) -> Resource:
        """Return the value of the row."""
        name = ResourceName(ResourceKind(self.kind), self.namespace, self.name)
        tags = dict(self.tags)
        return Resource(self.id, name, self.created_at, self.created_by, self.description, tags, self.shredded_at)


class VersionRow(Base):
    """An immutable version; its files are in the manifest whose root page `digest` names."""

    __tablename__ = "versions"
    __table_args__ = (Index(None, "resource_id", "digest"),)

    resource_id: Mapped[str] = mapped_column(ForeignKey("resources.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    digest: Mapped[str] = mapped_column(String(71))
    file_count: Mapped[int] = mapped_column(BigInteger)
    total_bytes: Mapped[int] = mapped_column(BigInteger)
    published_at: Mapped[datetime] = mapped_column(UtcDateTime)
    published_by: Mapped[str] = mapped_column(Text)
    message: Mapped[str] = mapped_column(Text)
    pack: Mapped[str] = mapped_column(String(97), server_default="")
    source_commit: Mapped[str] = mapped_column(Text, server_default="")
    source_run: Mapped[str] = mapped_column(Text, server_default="")
    removed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    removed_by: Mapped[str] = mapped_column(Text, server_default="")

    @classmethod
    def of(cls, resource_id: str, version: Version) -> Self:
        """Return the row of the value."""
        return cls(
            resource_id=resource_id,
            number=version.number,
            digest=version.digest,
            file_count=version.file_count,
            total_bytes=version.total_bytes,
            published_at=version.published_at,
            published_by=version.published_by,
            message=version.message,
            pack=version.pack,
            source_commit=version.commit,
            source_run=version.run,
        )

    def value(self, resource: ResourceName) -> Version:
        """Return the value of the row."""
        return Version(
            resource,
            self.number,
            self.digest,
            self.file_count,
            self.total_bytes,
            self.published_at,
            self.published_by,
            self.message,
            self.pack,
            self.source_commit,
            self.source_run,
        )


class InputRow(Base):
    """A version that another one was made from. It is named, not referred to: it may be removed."""

    __tablename__ = "inputs"
    __table_args__ = (
        ForeignKeyConstraint(["resource_id", "number"], ["versions.resource_id", "versions.number"]),
        Index(None, "input", "input_number"),
    )

    resource_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    input: Mapped[str] = mapped_column(_name(134), primary_key=True)
    input_number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    digest: Mapped[str] = mapped_column(String(71))

    @classmethod
    def of(cls, resource_id: str, number: int, made_from: Input) -> Self:
        """Return the row of the value."""
        return cls(
            resource_id=resource_id,
            number=number,
            input=str(made_from.resource),
            input_number=made_from.number,
            digest=made_from.digest,
        )

    def value(self) -> Input:
        """Return the value of the row."""
        return Input(ResourceName.parse(self.input), self.input_number, self.digest)


class TagRow(Base):
    """A name that moves from version to version."""

    __tablename__ = "tags"
    __table_args__ = (ForeignKeyConstraint(["resource_id", "number"], ["versions.resource_id", "versions.number"]),)

    resource_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    tag: Mapped[str] = mapped_column(_name(63), primary_key=True)
    number: Mapped[int]


class PushRow(Base):
    """An upload session."""

    __tablename__ = "pushes"
    __table_args__ = (
        ForeignKeyConstraint(["resource_id", "committed_as"], ["versions.resource_id", "versions.number"]),
        Index(None, "resource_id"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    resource_id: Mapped[str] = mapped_column(ForeignKey("resources.id"))
    issuer: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    epoch: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    next_object: Mapped[int] = mapped_column(BigInteger)
    committed_as: Mapped[int | None]
    closed: Mapped[bool]

    @classmethod
    def of(cls, push: Push) -> Self:
        """Return the row of the value."""
        return cls(
            id=push.id,
            resource_id=push.resource_id,
            issuer=push.issuer,
            subject=push.subject,
            epoch=push.epoch,
            created_at=push.created_at,
            expires_at=push.expires_at,
            next_object=push.next_object,
            committed_as=push.committed_as,
            closed=push.closed,
        )

    def value(self) -> Push:
        """Return the value of the row."""
        return Push(
            self.id,
            self.resource_id,
            self.issuer,
            self.subject,
            self.epoch,
            self.created_at,
            self.expires_at,
            self.next_object,
            self.committed_as,
            self.closed,
        )


class UploadRow(Base):
    """A multipart upload of one object of a push."""

    __tablename__ = "uploads"

    push_id: Mapped[str] = mapped_column(ForeignKey("pushes.id"), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    upload_id: Mapped[str] = mapped_column(Text)


class WrappedKeyRow(Base):
    """A data key, wrapped by a KEK that only Vault has.

    It refers to no resource's row: a key may be made first, and the gateway's own fixed keys belong to none.
    """

    __tablename__ = "wrapped_keys"

    resource_id: Mapped[str] = mapped_column(String(63), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    wrapped: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    @classmethod
    def of(cls, key: WrappedKey) -> Self:
        """Return the row of the value."""
        return cls(resource_id=key.resource_id, epoch=key.epoch, wrapped=key.wrapped, created_at=key.created_at)

    def value(self) -> WrappedKey:
        """Return the value of the row."""
        return WrappedKey(self.resource_id, self.epoch, self.wrapped, self.created_at)


class LinkUseRow(Base):
    """How often a link was used whose uses are limited. Rows of links that have expired are swept."""

    __tablename__ = "link_uses"
    __table_args__ = (Index(None, "expires_at"),)

    link_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    uses: Mapped[int]
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


class LeaseRow(Base):
    """A lease. It is never changed; that it was revoked is in the revocations."""

    __tablename__ = "leases"
    __table_args__ = (Index(None, "expires_at"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    issuer: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    holder: Mapped[str] = mapped_column(Text)
    resources: Mapped[list[str]] = mapped_column(JSON)
    purpose: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)

    @classmethod
    def of(cls, lease: Lease) -> Self:
        """Return the row of the value."""
        return cls(
            id=lease.id,
            issuer=lease.issuer,
            subject=lease.subject,
            holder=lease.holder,
            resources=[str(name) for name in lease.resources],
            purpose=lease.purpose,
            created_at=lease.created_at,
            expires_at=lease.expires_at,
        )

    def value(self) -> Lease:
        """Return the value of the row."""
        return Lease(
            self.id,
            self.issuer,
            self.subject,
            self.holder,
            tuple(ResourceName.parse(name) for name in self.resources),
            self.purpose,
            self.created_at,
            self.expires_at,
        )


class RevocationRow(Base):
    """Something that was taken back. Rows past their `until` mean nothing any more, and are swept."""

    __tablename__ = "revocations"
    # SQLite would otherwise give an id again whose row is gone, and a change might look like none.
    __table_args__ = (Index(None, "until"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    value: Mapped[str] = mapped_column(Text)
    issued_before: Mapped[datetime] = mapped_column(UtcDateTime)
    until: Mapped[datetime] = mapped_column(UtcDateTime)
    revoked_by: Mapped[str] = mapped_column(Text)

    @classmethod
    def of(cls, revocation: Revocation) -> Self:
        """Return the row of the value."""
        return cls(
            kind=revocation.kind.value,
            value=revocation.value,
            issued_before=revocation.issued_before,
            until=revocation.until,
            revoked_by=revocation.revoked_by,
        )

    def revocation(self) -> Revocation:
        """Return the value of the row, which has a column `value`."""
        return Revocation(RevocationKind(self.kind), self.value, self.issued_before, self.until, self.revoked_by)


class HoldingRow(Base):
    """What an instance said of one secret that it holds."""

    __tablename__ = "holdings"

    instance: Mapped[str] = mapped_column(_name(63), primary_key=True)
    name: Mapped[str] = mapped_column(_name(32), primary_key=True)
    uses: Mapped[str] = mapped_column(String(64))
    accepts: Mapped[list[str]] = mapped_column(JSON)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)

    @classmethod
    def of(cls, instance: str, holding: Holding, seen_at: datetime) -> Self:
        """Return the row of the value."""
        return cls(
            instance=instance,
            name=holding.secret.value,
            uses=holding.uses,
            accepts=list(holding.accepts),
            seen_at=seen_at,
        )

    def value(self) -> Report:
        """Return the value of the row."""
        return Report(self.instance, Holding(Secret(self.name), self.uses, tuple(self.accepts)), self.seen_at)


class UsedProofRow(Base):
    """A proof of possession that was shown, by its digest. Rows of proofs that are too old anyway are swept."""

    __tablename__ = "used_proofs"
    __table_args__ = (Index(None, "until"),)

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    until: Mapped[datetime] = mapped_column(UtcDateTime)
