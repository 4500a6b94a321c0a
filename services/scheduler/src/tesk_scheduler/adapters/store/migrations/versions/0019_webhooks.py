"""Keep webhooks: what is to be delivered, and to whom."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_SEQ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_PENDING = sa.text("dead IS NULL")
_INDEXES = {
    "ix_webhook_delivery_due": (["destination", "next_try", "seq"], _PENDING),
    "ix_webhook_delivery_task": (["task_id", "destination", "seq"], _PENDING),
    "ix_webhook_delivery_created": (["created"], _PENDING),
    "ix_webhook_delivery_dead": (["dead", "seq"], sa.text("dead IS NOT NULL")),
}


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "task_webhook",
        sa.Column("task_seq", _SEQ, autoincrement=False, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["task_seq"],
            ["task.seq"],
            name="fk_task_webhook_task_seq",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("task_seq", name="pk_task_webhook"),
    )
    op.create_table(
        "webhook_cursor",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_cursor"),
    )
    _create_deliveries()
    op.create_table(
        "webhook_destination",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("of_task", sa.Boolean(), nullable=False),
        sa.Column("failing", sa.Boolean(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.BigInteger()),
        sa.Column("next_try", sa.BigInteger()),
        sa.PrimaryKeyConstraint("name", name="pk_webhook_destination"),
    )
    is_due = sa.text("next_try IS NOT NULL")
    op.create_index(
        "ix_webhook_destination_due",
        "webhook_destination",
        ["of_task", "failing", "next_try"],
        sqlite_where=is_due,
        postgresql_where=is_due,
    )


def _create_deliveries() -> None:
    texts = ("destination", "target", "url", "event_id", "task_id", "last_error")
    op.create_table(
        "webhook_delivery",
        sa.Column("seq", _SEQ, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in texts),
        sa.Column("of_task", sa.Boolean(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_try", sa.BigInteger()),
        sa.Column("dead", sa.BigInteger()),
        sa.PrimaryKeyConstraint("seq", name="pk_webhook_delivery"),
    )
    for name, (columns, where) in _INDEXES.items():
        op.create_index(
            name,
            "webhook_delivery",
            columns,
            sqlite_where=where,
            postgresql_where=where,
        )


def downgrade() -> None:
    """Drop them."""
    for name in (
        *("webhook_destination", "webhook_delivery"),
        *("webhook_cursor", "task_webhook"),
    ):
        op.drop_table(name)
