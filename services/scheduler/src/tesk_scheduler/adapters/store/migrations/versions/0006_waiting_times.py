"""Keep when inputs arrived, and since when an attempt is held up."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TIMES = ("inputs_ended", "held_up_since")


def upgrade() -> None:
    """Add columns."""
    for name in _TIMES:
        op.add_column("task", sa.Column(name, sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Drop them."""
    for name in reversed(_TIMES):
        op.drop_column("task", name)
