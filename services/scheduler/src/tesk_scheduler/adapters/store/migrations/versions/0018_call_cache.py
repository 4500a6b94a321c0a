"""Keep what the call cache knows: calls, identities of files, digests of images."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_FLAGS = ("inputs_identified", "outputs_identified", "reusable", "hit")
_TEXTS = ("scope", "call_key", "problem")
_COUNTS = ("identities", "identity_bytes")


def upgrade() -> None:
    """Create the tables, and add the column."""
    op.create_table(
        "task_call",
        _task("task_call"),
        *(sa.Column(name, sa.Text(), nullable=False) for name in _TEXTS),
        *(sa.Column(name, sa.Boolean(), nullable=False) for name in _FLAGS),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _COUNTS),
        sa.Column("candidate", sa.Text(), nullable=True),
        sa.Column("difference", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("task_seq", name="pk_task_call"),
    )
    op.create_index("ix_task_call_key", "task_call", ["call_key", "scope", "task_seq"])
    op.create_table(
        "identity_batch",
        _task("identity_batch"),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("task_seq", "digest", name="pk_identity_batch"),
    )
    op.add_column(
        "executor_log",
        sa.Column("image_digest", sa.Text(), nullable=False, server_default=""),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_column("executor_log", "image_digest")
    op.drop_table("identity_batch")
    op.drop_index("ix_task_call_key", "task_call")
    op.drop_table("task_call")


def _task(table: str) -> "sa.Column[int]":
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    reference = sa.ForeignKey(
        "task.seq", ondelete="CASCADE", name=f"fk_{table}_task_seq"
    )
    return sa.Column("task_seq", number, reference, autoincrement=False, nullable=False)
