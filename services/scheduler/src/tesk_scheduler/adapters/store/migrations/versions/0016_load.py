"""Index what happened when, for the load of the last hours."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_INDEXES = {
    "ix_task_queued_load": (["queued", "owner"], None),
    "ix_task_started_load": (["started", "owner", "queued"], "started IS NOT NULL"),
    "ix_task_ended_load": (
        ["ended", "owner", "state", "started", "queued"],
        "ended IS NOT NULL",
    ),
}


def upgrade() -> None:
    """Create the indices."""
    for name, (columns, condition) in _INDEXES.items():
        where = None if condition is None else sa.text(condition)
        op.create_index(
            name, "task", columns, sqlite_where=where, postgresql_where=where
        )


def downgrade() -> None:
    """Drop them."""
    for name in reversed(_INDEXES):
        op.drop_index(name, "task")
