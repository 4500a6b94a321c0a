"""Count outputs where they are bounded; tell since when who leads; probe writes."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_COUNTS = ("output_files", "output_bytes", "outputs_unlisted")


def upgrade() -> None:
    """Add columns and a table, and count what there is."""
    for name in _COUNTS:
        column = sa.Column(name, sa.BigInteger(), nullable=False, server_default="0")
        op.add_column("task", column)
    op.add_column("leader", sa.Column("since", sa.BigInteger(), nullable=True))
    op.create_table(
        "probe",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("written", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_probe")),
    )
    octets = (
        "length(CAST(url AS BLOB)) + length(CAST(path AS BLOB))"
        if op.get_bind().dialect.name == "sqlite"
        else "octet_length(url) + octet_length(path)"
    )
    op.execute(
        f"""
        UPDATE task SET
          output_files = (SELECT count(*) FROM output_file WHERE task_seq = task.seq),
          output_bytes =
            (SELECT sum({octets}) FROM output_file WHERE task_seq = task.seq)
        WHERE seq IN (SELECT DISTINCT task_seq FROM output_file)
        """  # noqa: S608 - of the two texts above
    )


def downgrade() -> None:
    """Drop all of it."""
    op.drop_table("probe")
    op.drop_column("leader", "since")
    for name in reversed(_COUNTS):
        op.drop_column("task", name)
