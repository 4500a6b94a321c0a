"""Keep what arrived of each input."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    reference = sa.ForeignKey(
        "task.seq", ondelete="CASCADE", name="fk_input_sizes_task_seq"
    )
    op.create_table(
        "input_sizes",
        sa.Column("task_seq", number, reference, autoincrement=False, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("task_seq", name="pk_input_sizes"),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("input_sizes")
