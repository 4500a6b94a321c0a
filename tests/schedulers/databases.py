"""Databases with the present schema, for which the migrations run only once.

They take longer than most tests.
"""

import functools
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from sqlalchemy import create_engine, make_url, text

from tesk_scheduler.adapters.store.engines import sqlite_url
from tesk_scheduler.adapters.store.store import SqlTaskStore


def sqlite_database(file: Path) -> str:
    """Return the url of an SQLite database; make it unless it is there."""
    if not file.exists():
        file.write_bytes(_migrated_file())
    return sqlite_url(file)


@functools.cache
def _migrated_file() -> bytes:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "tesk.db"
        SqlTaskStore.open(sqlite_url(file)).close()
        return file.read_bytes()


def postgres_database(server: str) -> str:
    """Make a database of the PostgreSQL at the url ``server``; return its url."""
    return empty_postgres_database(server, like=_migrated_database(server))


@functools.cache
def _migrated_database(server: str) -> str:
    url = empty_postgres_database(server)
    SqlTaskStore.open(url).close()
    return str(make_url(url).database)


def empty_postgres_database(server: str, *, like: str = "template1") -> str:
    """Make one without any table, or ``like`` another that nobody has open."""
    name = f"tesk_{uuid4().hex}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {like}"))
    engine.dispose()
    return make_url(server).set(database=name).render_as_string(hide_password=False)
