"""Instances say which secrets they hold, so that an old one goes only when nobody needs it."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
oldest_gateway = "0001"


def upgrade() -> None:
    """Make the table; an older gateway beside us says nothing, and so no rotation waits for it."""
    op.create_table(
        "holdings",
        sa.Column("instance", _name(63), nullable=False),
        sa.Column("name", _name(32), nullable=False),
        sa.Column("uses", sa.String(64), nullable=False),
        sa.Column("accepts", sa.JSON(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("instance", "name", name="pk_holdings"),
    )


def _name(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")
