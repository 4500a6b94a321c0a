"""Defines the tables of use, taskmasters, operators and the leader."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Integer,
    LargeBinary,
    Table,
    Text,
    false,
)

from tesk_scheduler.adapters.store.schema.columns import METADATA, amounts
from tesk_scheduler.domain.dimensions import DIMENSIONS

USAGE = Table(
    "usage",
    METADATA,
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    *amounts(DIMENSIONS),
)

USAGE_HISTORY = Table(
    "usage_history",
    METADATA,
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    # JSON, by name of the dimension.
    Column("average", Text, nullable=False),
    Column("sampled", BigInteger, nullable=False),
    Column("used", BigInteger, nullable=False),
)

TASKMASTER = Table(
    "taskmaster",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("slots", Integer, nullable=False),
    Column("lease_until", BigInteger, nullable=False),
    Column("seen", Boolean, nullable=False),
    Column("started", BigInteger, nullable=False),
    Column("revision", Text, nullable=False, server_default=""),
    # Set by operators; never unset.
    Column("draining", Boolean, nullable=False, server_default=false()),
    Column("dedicated", Boolean, nullable=False, server_default=false()),
)

HOLD = Table(
    "hold",
    METADATA,
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("operator", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
)

# Parts of lines that are being imported and are larger than one message.
LINE_PART = Table(
    "line_part",
    METADATA,
    Column("digest", Text, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
)

LEADER = Table(
    "leader",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, nullable=False),
    Column("holder", Text, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("since", BigInteger),
)

PROBE = Table(
    "probe",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("written", BigInteger, nullable=False),
)
