"""Resources have tags: sensitivity, owner, licence."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
oldest_gateway = "0001"


def upgrade() -> None:
    """Add the column; an older gateway beside us leaves it at its default."""
    op.add_column("resources", sa.Column("tags", sa.JSON(), server_default="{}", nullable=False))
