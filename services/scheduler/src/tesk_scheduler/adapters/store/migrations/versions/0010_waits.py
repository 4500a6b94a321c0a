"""Keep what a task waits for as data beside its reason; see ``store.waits``."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_IS_EXPLAINED = sa.text("state IN (2, 3) AND reason_code <> ''")


def upgrade() -> None:
    """Add it; the release before neither reads nor writes it."""
    op.add_column("task", sa.Column("wait", sa.Text(), nullable=True))
    op.create_index(
        "ix_task_waiting",
        "task",
        ["state", "reason_code"],
        sqlite_where=_IS_EXPLAINED,
        postgresql_where=_IS_EXPLAINED,
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_index("ix_task_waiting", "task")
    op.drop_column("task", "wait")
