"""Keep what executors used: CPU time in microseconds, and bytes of memory."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    for name in ("cpu", "max_memory"):
        op.add_column("executor_log", sa.Column(name, sa.BigInteger()))


def downgrade() -> None:
    """Drop them."""
    for name in ("max_memory", "cpu"):
        op.drop_column("executor_log", name)
