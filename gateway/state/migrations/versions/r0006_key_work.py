"""What is done to keys over hours and days: shreddings, re-encryptions, and where objects are since."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
oldest_gateway = "0006"


def _time() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def _of_resource(table: str, *columns: sa.Column[Any], others: tuple[str, ...] = ()) -> None:
    op.create_table(
        table,
        sa.Column("resource_id", sa.String(32), nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("resource_id", *others, name=f"pk_{table}"),
        sa.ForeignKeyConstraint(["resource_id"], ["resources.id"], name=f"fk_{table}_resource_id"),
    )


def upgrade() -> None:
    """Make the tables. An older gateway beside us would give links to copies that are gone: none may be left."""
    op.add_column("resources", sa.Column("shredded_at", _time(), nullable=True))
    _of_resource(
        "shreds",
        sa.Column("resource", sa.String(160), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("requested_by", sa.JSON(), nullable=False),
        sa.Column("requested_at", _time(), nullable=False),
        sa.Column("approved_by", sa.JSON(), nullable=True),
        sa.Column("due_at", _time(), nullable=True),
        sa.Column("begun_at", _time(), nullable=True),
        sa.Column("done_at", _time(), nullable=True),
        sa.Column("proof", sa.JSON(), nullable=False),
    )
    op.create_index("ix_shreds_state_due_at", "shreds", ["state", "due_at"])
    _of_resource(
        "reencryptions",
        sa.Column("resource", sa.String(160), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("requested_by", sa.JSON(), nullable=False),
        sa.Column("requested_at", _time(), nullable=False),
        sa.Column("bytes_per_second", sa.BigInteger(), nullable=True),
        sa.Column("objects", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("moved", sa.BigInteger(), nullable=False),
        sa.Column("moved_bytes", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("failure", sa.Text(), nullable=False),
        sa.Column("moved_at", _time(), nullable=True),
        sa.Column("holder", sa.String(80), server_default="", nullable=False),
        sa.Column("held_until", _time(), nullable=True),
    )
    op.create_index("ix_reencryptions_state_held_until", "reencryptions", ["state", "held_until"])
    _of_resource(
        "moved_objects",
        sa.Column("object_id", sa.String(80), nullable=False),
        sa.Column("current_id", sa.String(96), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("key_check", sa.String(32), nullable=False),
        others=("object_id",),
    )
    _of_resource("old_copies", sa.Column("object_id", sa.String(96), nullable=False), others=("object_id",))
