"""The first tables: resources, versions, tags, pushes, uploads and wrapped keys."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
oldest_gateway = "0001"


def _time() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def _name(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "resources",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("kind", _name(16), nullable=False),
        sa.Column("namespace", _name(63), nullable=False),
        sa.Column("name", _name(63), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("created_at", _time(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_resources"),
        sa.UniqueConstraint("kind", "namespace", "name", name="uq_resources_kind_namespace_name"),
    )
    op.create_table(
        "versions",
        sa.Column("resource_id", sa.String(32), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.String(71), nullable=False),
        sa.Column("file_count", sa.BigInteger(), nullable=False),
        sa.Column("total_bytes", sa.BigInteger(), nullable=False),
        sa.Column("published_at", _time(), nullable=False),
        sa.Column("published_by", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("resource_id", "number", name="pk_versions"),
        sa.ForeignKeyConstraint(["resource_id"], ["resources.id"], name="fk_versions_resource_id"),
    )
    op.create_index("ix_versions_resource_id_digest", "versions", ["resource_id", "digest"])
    op.create_table(
        "tags",
        sa.Column("resource_id", sa.String(32), nullable=False),
        sa.Column("tag", _name(63), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("resource_id", "tag", name="pk_tags"),
        sa.ForeignKeyConstraint(
            ["resource_id", "number"], ["versions.resource_id", "versions.number"], name="fk_tags_resource_id_number"
        ),
    )
    op.create_table(
        "pushes",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("resource_id", sa.String(32), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("created_at", _time(), nullable=False),
        sa.Column("expires_at", _time(), nullable=False),
        sa.Column("next_object", sa.BigInteger(), nullable=False),
        sa.Column("committed_as", sa.Integer(), nullable=True),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_pushes"),
        sa.ForeignKeyConstraint(["resource_id"], ["resources.id"], name="fk_pushes_resource_id"),
        sa.ForeignKeyConstraint(
            ["resource_id", "committed_as"],
            ["versions.resource_id", "versions.number"],
            name="fk_pushes_resource_id_committed_as",
        ),
    )
    op.create_table(
        "uploads",
        sa.Column("push_id", sa.String(32), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("upload_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("push_id", "number", name="pk_uploads"),
        sa.ForeignKeyConstraint(["push_id"], ["pushes.id"], name="fk_uploads_push_id"),
    )
    op.create_table(
        "wrapped_keys",
        sa.Column("resource_id", sa.String(63), nullable=False),
        sa.Column("epoch", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("wrapped", sa.Text(), nullable=False),
        sa.Column("created_at", _time(), nullable=False),
        sa.PrimaryKeyConstraint("resource_id", "epoch", name="pk_wrapped_keys"),
    )
