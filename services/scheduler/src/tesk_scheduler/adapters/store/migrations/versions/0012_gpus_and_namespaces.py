"""Charge GPUs, and the namespaces in which tasks run."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_TEXTS = ("namespace", "gpu_type")


def upgrade() -> None:
    """Add the columns."""
    for name in _TEXTS:
        op.add_column(
            "task", sa.Column(name, sa.Text(), nullable=False, server_default="")
        )
    for table in ("task", "usage"):
        op.add_column(
            table, sa.Column("gpu", sa.BigInteger(), nullable=False, server_default="0")
        )


def downgrade() -> None:
    """Drop them."""
    for table in ("usage", "task"):
        op.drop_column(table, "gpu")
    for name in _TEXTS:
        op.drop_column("task", name)
