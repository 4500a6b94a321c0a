"""Keep what operators hold and drain, and parts of lines that are being imported."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add tables and the column."""
    op.create_table(
        "hold",
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("kind", "name", "reason", "operator")
        ),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", name=op.f("pk_hold")),
    )
    op.create_table(
        "line_part",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest", "position", name=op.f("pk_line_part")),
    )
    op.add_column(
        "taskmaster",
        sa.Column("draining", sa.Boolean(), nullable=False, server_default=sa.false()),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_column("taskmaster", "draining")
    op.drop_table("line_part")
    op.drop_table("hold")
