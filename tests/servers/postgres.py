"""A PostgreSQL in a container of this machine's engine."""

import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from docker.errors import APIError
from testcontainers.community.postgres import PostgresContainer

_PORTS = range(20_000, 30_000)
"""Below those that systems give to whoever asks for any, and node ports.

A container that is lost with its engine may leave a rule that takes its port's
connections away; it must not be the port of another test's server.
"""
_TRIES = 5


@contextmanager
def postgres_server() -> Iterator[str]:
    """Run an empty server until the end of the block; yield its url."""
    container = _started()
    try:
        yield container.get_connection_url()
    finally:
        container.stop()


def _started() -> PostgresContainer:
    for tries_left in range(_TRIES - 1, -1, -1):
        container = PostgresContainer("postgres:15", driver="psycopg")
        container.with_bind_ports(container.port, _unused_port())
        try:
            return container.start()
        except BaseException as error:
            container.stop()
            if not isinstance(error, APIError) or not tries_left:
                raise  # else somebody else took the port
    raise AssertionError


def _unused_port() -> int:
    while True:
        port = random.choice(_PORTS)  # noqa: S311 - no secret
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
