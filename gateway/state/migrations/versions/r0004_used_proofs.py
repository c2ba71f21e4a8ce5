"""Proofs of possession are remembered for as long as they could be shown again."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
oldest_gateway = "0001"


def upgrade() -> None:
    """Make the table; an older gateway beside us knows no bound tokens, and refuses them."""
    op.create_table(
        "used_proofs",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_used_proofs"),
    )
    op.create_index("ix_used_proofs_until", "used_proofs", ["until"])
