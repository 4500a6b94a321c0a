"""The first schema; what the columns mean stands in ``schema``."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_SEQ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_BYTES_ORDERED = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_TABLES = (
    "leader",
    "taskmaster",
    "usage",
    "task_metadata",
    "system_log",
    "output_file",
    "executor_log",
    "tag",
    "document",
    "task",
)


def upgrade() -> None:
    """Create all tables."""
    _create_tasks()
    _create_logs()
    _create_control()


def downgrade() -> None:
    """Drop all tables."""
    for table in _TABLES:
        op.drop_table(table)


def _create_tasks() -> None:
    op.create_table(
        "task",
        sa.Column("seq", _SEQ, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("charged_group", sa.Text(), nullable=True),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("name_key", _BYTES_ORDERED, nullable=True),
        sa.Column("cpu_millis", sa.BigInteger(), nullable=False),
        sa.Column("ram", sa.BigInteger(), nullable=False),
        sa.Column("disk", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("taskmaster", sa.Text(), nullable=True),
        sa.Column("released", sa.Boolean(), nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("inputs_finished", sa.Boolean(), nullable=False),
        sa.Column("outputs_finished", sa.Boolean(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("queued", sa.BigInteger(), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=True),
        sa.Column("ended", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("seq", name="pk_task"),
    )
    op.create_index(
        "ix_task_ended",
        "task",
        ["ended"],
        sqlite_where=sa.text("ended IS NOT NULL"),
        postgresql_where=sa.text("ended IS NOT NULL"),
    )
    op.create_index("ix_task_name_key_owner", "task", ["name_key", "owner"])
    op.create_index("ix_task_owner_seq", "task", ["owner", "seq"])
    op.create_index("ix_task_owner_state_seq", "task", ["owner", "state", "seq"])
    op.create_index("ix_task_state_seq", "task", ["state", "seq"])
    op.create_index(
        "ix_task_taskmaster",
        "task",
        ["taskmaster"],
        sqlite_where=sa.text("released IS 0"),
        postgresql_where=sa.text("released IS false"),
    )
    op.create_index("uq_task_id", "task", ["id"], unique=True)
    op.create_index(
        "uq_task_owner_idempotency_key",
        "task",
        ["owner", "idempotency_key"],
        unique=True,
    )
    op.create_table(
        "document",
        sa.Column("task_seq", _SEQ, autoincrement=False, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["task_seq"], ["task.seq"], name="fk_document_task_seq", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("task_seq", name="pk_document"),
    )
    op.create_table(
        "tag",
        sa.Column("task_seq", _SEQ, autoincrement=False, nullable=False),
        sa.Column("key", _BYTES_ORDERED, nullable=False),
        sa.Column("value", _BYTES_ORDERED, nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["task_seq"], ["task.seq"], name="fk_tag_task_seq", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("task_seq", "key", name="pk_tag"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_tag_key", "tag", ["key", "task_seq", "owner"])
    op.create_index("ix_tag_key_value", "tag", ["key", "value", "task_seq", "owner"])


def _create_logs() -> None:
    op.create_table(
        "executor_log",
        sa.Column("task_seq", _SEQ, autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=True),
        sa.Column("ended", sa.BigInteger(), nullable=True),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("stdout", sa.LargeBinary(), nullable=False),
        sa.Column("stderr", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["task_seq"],
            ["task.seq"],
            name="fk_executor_log_task_seq",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("task_seq", "position", name="pk_executor_log"),
    )
    op.create_table(
        "output_file",
        sa.Column("task_seq", _SEQ, autoincrement=False, nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["task_seq"],
            ["task.seq"],
            name="fk_output_file_task_seq",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("task_seq", "fingerprint", name="pk_output_file"),
    )
    op.create_table(
        "system_log",
        sa.Column("task_seq", _SEQ, autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["task_seq"],
            ["task.seq"],
            name="fk_system_log_task_seq",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("task_seq", "position", name="pk_system_log"),
    )
    op.create_table(
        "task_metadata",
        sa.Column("task_seq", _SEQ, autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["task_seq"],
            ["task.seq"],
            name="fk_task_metadata_task_seq",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("task_seq", "key", name="pk_task_metadata"),
    )


def _create_control() -> None:
    op.create_table(
        "usage",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("running", sa.BigInteger(), nullable=False),
        sa.Column("queued", sa.BigInteger(), nullable=False),
        sa.Column("cpu_millis", sa.BigInteger(), nullable=False),
        sa.Column("ram", sa.BigInteger(), nullable=False),
        sa.Column("disk", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", name="pk_usage"),
    )
    op.create_table(
        "taskmaster",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=False),
        sa.Column("seen", sa.Boolean(), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_taskmaster"),
    )
    op.create_table(
        "leader",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_leader"),
    )
