"""Ends sessions of schedulers that stall in a transaction, and so hold locks of others.

A scheduler that is paused, or cut off from the database, holds what its transaction has
locked: the numbers of state changes, counters of usage, the lead. PostgreSQL's own
timeout for that (``idle_in_transaction_session_timeout``) is no help: psycopg
runs statements for many rows as a pipeline, whose last message asks for no answer and
stops the timer. So schedulers look for each other's stalled sessions when they take or
renew the lead. A role may end its own sessions.
"""

from datetime import timedelta

from sqlalchemy import Connection, text

APPLICATION = "tesk-scheduler"
"""Name of the sessions of schedulers."""

_END = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND usename = current_user"
    " AND application_name = :application AND pid <> pg_backend_pid()"
    " AND state LIKE 'idle in transaction%'"
    " AND state_change < clock_timestamp() - :timeout"
)


def end_stalled(connection: Connection, timeout: timedelta) -> int:
    """End sessions that have waited in a transaction for longer; count them.

    Their transactions are undone. On SQLite there are no others.
    """
    if connection.dialect.name != "postgresql":
        return 0
    values = {"application": APPLICATION, "timeout": timeout}
    return len(connection.execute(_END, values).all())
