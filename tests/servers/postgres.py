"""A PostgreSQL in a container of this machine's engine."""

from collections.abc import Iterator
from contextlib import contextmanager

from testcontainers.community.postgres import PostgresContainer

from programs.ports import free_port

# What a test writes need not survive this machine.
_QUICK = "postgres -c fsync=off -c full_page_writes=off"


@contextmanager
def postgres_server() -> Iterator[str]:
    """Run an empty server until the end of the block; yield its url."""
    container = _started()
    try:
        yield container.get_connection_url()
    finally:
        container.stop()


def _started() -> PostgresContainer:
    container = PostgresContainer("postgres:15", driver="psycopg")
    container.with_bind_ports(container.port, free_port())
    container.with_command(_QUICK)
    try:
        return container.start()
    except BaseException:
        container.stop()
        raise
