"""Keep what retries and limits of time are decided on, and dedicated taskmasters."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_TEXTS = ("attempt_parameters", "losses", "stop_reason", "stop_reason_code")
_TIMES = ("running_since", "not_before", "due")
_HAS_TIME = sa.text("due IS NOT NULL")


def upgrade() -> None:
    """Add columns, and the index by which the leader finds what is due."""
    for name in _TEXTS:
        text = sa.Column(name, sa.Text(), nullable=False, server_default="")
        op.add_column("task", text)
    for name in _TIMES:
        op.add_column("task", sa.Column(name, sa.BigInteger(), nullable=True))
    op.add_column("task", sa.Column("last_exit_code", sa.Integer(), nullable=True))
    op.create_index(
        "ix_task_due",
        "task",
        ["due"],
        sqlite_where=_HAS_TIME,
        postgresql_where=_HAS_TIME,
    )
    op.add_column(
        "taskmaster",
        sa.Column("dedicated", sa.Boolean(), nullable=False, server_default=sa.false()),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_column("taskmaster", "dedicated")
    op.drop_index("ix_task_due", "task")
    for name in ("last_exit_code", *reversed(_TIMES), *reversed(_TEXTS)):
        op.drop_column("task", name)
