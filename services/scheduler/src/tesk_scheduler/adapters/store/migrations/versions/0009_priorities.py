"""Order queues by priority; the index holds queued tasks alone."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_QUEUED = sa.text("state = 2")


def upgrade() -> None:
    """Add the column and its index."""
    op.add_column(
        "task", sa.Column("priority", sa.Integer(), nullable=False, server_default="0")
    )
    op.create_index(
        "ix_task_queue",
        "task",
        ["owner", sa.text("priority DESC"), "seq"],
        sqlite_where=_QUEUED,
        postgresql_where=_QUEUED,
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_task_queue", "task")
    op.drop_column("task", "priority")
