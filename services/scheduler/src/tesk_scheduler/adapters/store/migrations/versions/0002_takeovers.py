"""Count how often an attempt was taken over; see ``domain.takeovers``."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the count, and since when the present taskmaster has the attempt."""
    count = sa.Column("takeovers", sa.Integer(), nullable=False, server_default="0")
    op.add_column("task", count)
    op.add_column("task", sa.Column("assigned", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Drop both."""
    op.drop_column("task", "assigned")
    op.drop_column("task", "takeovers")
