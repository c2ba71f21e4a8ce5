"""Versions say where their pages are, and which commit and run made them from what; they can be removed."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
oldest_gateway = "0007"


def upgrade() -> None:
    """Add the columns and the table. Versions from before cannot be read: their pages were stored otherwise."""
    op.add_column("versions", sa.Column("pack", sa.String(97), nullable=False, server_default=""))
    op.add_column("versions", sa.Column("source_commit", sa.Text(), nullable=False, server_default=""))
    op.add_column("versions", sa.Column("source_run", sa.Text(), nullable=False, server_default=""))
    op.add_column("versions", sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("versions", sa.Column("removed_by", sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "inputs",
        sa.Column("resource_id", sa.String(32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("input", _name(134), nullable=False),
        sa.Column("input_number", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(71), nullable=False),
        sa.PrimaryKeyConstraint("resource_id", "number", "input", "input_number", name="pk_inputs"),
        sa.ForeignKeyConstraint(
            ["resource_id", "number"],
            ["versions.resource_id", "versions.number"],
            name="fk_inputs_resource_id_number",
        ),
    )
    op.create_index("ix_inputs_input_input_number", "inputs", ["input", "input_number"])
    op.create_index("ix_pushes_resource_id", "pushes", ["resource_id"])


def _name(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")
