"""Keep the code of a task's reason beside its sentence; see ``tesk_model.reasons``."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it; reasons of the release before have none."""
    column = sa.Column("reason_code", sa.Text(), nullable=False, server_default="")
    op.add_column("task", column)


def downgrade() -> None:
    """Drop it."""
    op.drop_column("task", "reason_code")
