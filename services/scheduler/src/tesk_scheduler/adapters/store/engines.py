"""Opens connections to SQLite or PostgreSQL, with the options of each.

SQLite: write-ahead log, so that readers never wait; every commit is on disk
when it returns; writing transactions begin as such, since upgrading a reading one
may fail. PostgreSQL: short timeouts, so that a stuck query does not block the
whole service; writers do not wait for connections that readers have; and a read is
one exchange with the server, which of a short one is most of what it costs.
"""

import sqlite3
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import InvalidatePoolError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from tesk_runtime.file_lock import FileLock
from tesk_scheduler.adapters.store.stalls import APPLICATION
from tesk_scheduler.domain.leadership import STALL_TIMEOUT

_BUSY_SECONDS = 30
# Of tasks and of the lead.
_WRITERS = 2
_READERS = 8
# Of idleness, in which a connection may have been lost unnoticed.
_TRIED_AFTER = timedelta(seconds=1)
_MIGRATION_LOCK = 0x7E5C


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """The engines of one database.

    Attributes:
        exclusive: No other process can use this database.
        stall_timeout: After which a scheduler that stalls loses its transaction.
        path: Of the database, if it is a file.
        lock: Excludes other processes, if the database is a file.
    """

    writer: Engine
    reader: Engine
    exclusive: bool
    stall_timeout: timedelta = STALL_TIMEOUT
    path: Path | None = None
    lock: FileLock | None = None

    def close(self) -> None:
        """Close all connections."""
        self.writer.dispose()
        self.reader.dispose()
        if self.lock is not None:
            self.lock.release()


class DatabaseInUseError(Exception):
    """Another scheduler has this SQLite database open."""


def sqlite_url(path: Path) -> str:
    """Return the url of a database file."""
    return f"sqlite:///{path}"


def open_engines(
    url: str,
    *,
    stall_timeout: timedelta = STALL_TIMEOUT,
    tried_after: timedelta = _TRIED_AFTER,
) -> Engines:
    """Open a database by its SQLAlchemy url.

    Args:
        url: Of the database.
        stall_timeout: After which the transaction of a process that does not go on with
            it is ended, which releases its locks.
        tried_after: A connection that nobody has used for longer is tried before it is
            used, and replaced if it was lost.

    Raises:
        DatabaseInUseError: See there.
        sqlalchemy.exc.ArgumentError: ``url`` is malformed.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        stalled = round(stall_timeout / timedelta(milliseconds=1))
        options: dict[str, Any] = {
            "max_overflow": 0,
            "connect_args": {
                "connect_timeout": 5,
                "application_name": APPLICATION,
                # Of several hosts the one that can write; never a standby.
                "target_session_attrs": "read-write",
                # A host that vanished without closing its connection is detected.
                "keepalives_idle": 10,
                "keepalives_interval": 5,
                "keepalives_count": 3,
                "tcp_user_timeout": 20_000,  # milliseconds
                # Locks of a process that does not go on are released: whether the
                # server waits for its next statement (but see ``stalls``, which is
                # faster, too) or for it to take rows.
                "options": "-c statement_timeout=10s "
                "-c idle_in_transaction_session_timeout=10s "
                f"-c tcp_user_timeout={stalled}",
            },
        }
        writer = create_engine(url, pool_size=_WRITERS, **options)
        # A read of several statements that must agree asks for a transaction.
        reader = create_engine(
            url, pool_size=_READERS, isolation_level="AUTOCOMMIT", **options
        )
        for engine in (writer, reader):
            _try_when_idle(engine, tried_after.total_seconds())
        return Engines(
            writer=writer, reader=reader, exclusive=False, stall_timeout=stall_timeout
        )
    lock = _lock(Path(f"{parsed.database}.lock"))
    return Engines(
        writer=_sqlite(url, begin="BEGIN IMMEDIATE", pool_size=1),
        reader=_sqlite(url, begin="BEGIN", pool_size=_READERS),
        exclusive=True,
        path=Path(str(parsed.database)),
        lock=lock,
    )


def lock_migrations(connection: Connection) -> None:
    """Let one process at a time change the schema, until its transaction ends.

    Migrations of large tables may take long, so that there is no timeout of
    statements: it would keep schedulers from ever starting. Waiting for locks of
    others has one, because everything behind it waits as well.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        # Others may wait for it for longer than for one that stalls, too.
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        connection.execute(text("SET LOCAL application_name = 'tesk-migration'"))
        connection.execute(
            text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK}
        )
        connection.execute(text("SET LOCAL lock_timeout = '10s'"))


def _lock(path: Path) -> FileLock:
    lock = FileLock(path)
    if not lock.try_acquire():
        msg = f"another scheduler uses the database beside {path}"
        raise DatabaseInUseError(msg)
    return lock


def _try_when_idle(engine: Engine, seconds: float) -> None:
    """Replace connections of the pool that were lost while nobody used them."""
    errors: Any = engine.dialect.dbapi

    @event.listens_for(engine, "checkin")
    def _returned(_connection: Any, entry: ConnectionPoolEntry) -> None:
        entry.info["used"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _taken(connection: Any, entry: ConnectionPoolEntry, _proxy: Any) -> None:
        now = time.monotonic()
        if now - entry.info.get("used", now) > seconds:
            try:
                engine.dialect.do_ping(connection)
            except errors.Error as error:
                raise InvalidatePoolError from error


def _sqlite(url: str, *, begin: str, pool_size: int) -> Engine:
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"busy_timeout={_BUSY_SECONDS * 1000}",
            "temp_store=MEMORY",
            "cache_size=-32768",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        try:  # past SQLAlchemy, whose own way costs more than the statement
            connection.connection.cursor().execute(begin)
        except sqlite3.OperationalError as error:
            raise OperationalError(begin, None, error) from error

    return engine
