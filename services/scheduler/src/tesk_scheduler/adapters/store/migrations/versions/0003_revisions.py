"""Keep what each taskmaster was started from; see ``domain.fleet``."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it; those that are there were started from something earlier."""
    column = sa.Column("revision", sa.Text(), nullable=False, server_default="")
    op.add_column("taskmaster", column)


def downgrade() -> None:
    """Drop it."""
    op.drop_column("taskmaster", "revision")
