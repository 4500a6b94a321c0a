"""Keep how far transfers are."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_COUNTS = ("files_done", "files_total", "bytes_done", "bytes_total", "bytes_per_second")
_TEXTS = ("path", "url")


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "transfer",
        sa.Column(
            "task_seq",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            autoincrement=False,
        ),
        sa.Column("direction", sa.Text(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _COUNTS),
        *(sa.Column(name, sa.Text(), nullable=False) for name in _TEXTS),
        sa.ForeignKeyConstraint(
            ["task_seq"],
            ["task.seq"],
            name=op.f("fk_transfer_task_seq"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("task_seq", "direction", name=op.f("pk_transfer")),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("transfer")
