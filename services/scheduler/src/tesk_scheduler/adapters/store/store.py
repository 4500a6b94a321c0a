"""Implements the task store: one writer, many readers."""

import time
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, bindparam, select
from sqlalchemy.exc import SQLAlchemyError

from tesk_model.task import TaskId
from tesk_scheduler.adapters.store import (
    by_id,
    queries,
    reading,
    schema,
    statements,
)
from tesk_scheduler.adapters.store.call_reads import SqlCallReads
from tesk_scheduler.adapters.store.commitments import read_committed
from tesk_scheduler.adapters.store.database_file import DatabaseFile
from tesk_scheduler.adapters.store.engines import Engines, open_engines
from tesk_scheduler.adapters.store.listing import page_statement
from tesk_scheduler.adapters.store.load_reads import SqlLoadReads
from tesk_scheduler.adapters.store.migrate import migrate
from tesk_scheduler.adapters.store.past_usage import read_history
from tesk_scheduler.adapters.store.rows import RECORD_COLUMNS, record_of
from tesk_scheduler.adapters.store.schema import DOCUMENT, TASK
from tesk_scheduler.adapters.store.stalls import end_stalled
from tesk_scheduler.adapters.store.state_changes import read_changes
from tesk_scheduler.adapters.store.transaction import (
    SqlTransaction,
    Written,
    finish_transaction,
)
from tesk_scheduler.adapters.store.usage_reads import UnreadableUsage, read_counters
from tesk_scheduler.adapters.store.wait_reads import SqlWaitReads
from tesk_scheduler.adapters.store.webhooks import SqlDeliveries
from tesk_scheduler.adapters.store.writer import Writer, as_tesk_error
from tesk_scheduler.domain.fleet import Taskmaster
from tesk_scheduler.domain.initializing import Commitments
from tesk_scheduler.domain.leadership import Leadership
from tesk_scheduler.domain.queues import QueuedTask
from tesk_scheduler.domain.quota import Demand, Subject, Usage
from tesk_scheduler.domain.records import (
    AssignedAttempt,
    Document,
    Oldest,
    TaskListing,
    TaskQuery,
    TaskRecord,
    TaskSummary,
    UnassignedAttempt,
)
from tesk_scheduler.domain.state_changes import (
    ChangeFilter,
    ChangePage,
    Position,
)
from tesk_scheduler.domain.usage_history import History
from tesk_scheduler.ports.observer import NoObserver, Observer
from tesk_scheduler.ports.store import Transaction

_C = TASK.c

# Built once: building costs more than running.
_RECORD = select(*RECORD_COLUMNS).where(_C.id == bindparam("task"))
_DOCUMENTS = (
    select(_C.id, DOCUMENT.c.body)
    .join(TASK, DOCUMENT.c.task_seq == _C.seq)
    .where(_C.id.in_(bindparam("tasks", expanding=True)))
)
_LOG = schema.EXECUTOR_LOG.c
_EXECUTORS = (
    select(_LOG.position, _LOG.exit_code)
    .where(_LOG.task_seq == bindparam("row"))
    .order_by(_LOG.position)
)

ResultT = TypeVar("ResultT")

# Seconds without a write after which a probe is written.
_PROBE_SECONDS = 10.0
# Seconds; longer than the statement timeout of the database.
_PROBE_TIMEOUT = 15.0


class SqlTaskStore(SqlCallReads, SqlLoadReads, SqlWaitReads):
    """See ``TaskStore``."""

    def __init__(
        self,
        engines: Engines,
        *,
        observer: Observer | None = None,
        probe_timeout: float = _PROBE_TIMEOUT,
    ) -> None:
        self._engines = engines
        self._observer = observer or NoObserver()
        self._probe_timeout = probe_timeout
        self._file = DatabaseFile(engines.path) if engines.path else None
        self._unreadable_usage = UnreadableUsage()
        self._writer = self._new_writer()
        self._lead_writer = self._writer if engines.exclusive else self._new_writer()

    def _new_writer(self) -> Writer:
        return Writer(
            self._engines.writer,
            keep_connection=self._engines.exclusive,
            check=self._file.check if self._file else _nothing,
            finish=finish_transaction,
            observer=self._observer,
        )

    @classmethod
    def open(cls, url: str, *, observer: Observer | None = None) -> "SqlTaskStore":
        """Open the database at ``url`` and bring its schema up to date.

        Raises:
            DatabaseInUseError: Another scheduler has this SQLite database.
            UnavailableError: It cannot be opened.
        """
        engines = open_engines(url)
        try:
            migrate(engines.writer)
        except SQLAlchemyError as error:
            engines.close()
            raise as_tesk_error(error) from error
        return cls(engines, observer=observer)

    @property
    def exclusive(self) -> bool:
        """Tell whether no other process can use this database."""
        return self._engines.exclusive

    @property
    def deliveries(self) -> SqlDeliveries:
        """The webhooks that are to be delivered."""
        return SqlDeliveries(self._read, self._writer.run)

    def close(self) -> None:
        """Finish what is being written and close."""
        self._writer.close()
        if self._lead_writer is not self._writer:
            self._lead_writer.close()
        if self._file:
            self._file.close()
        self._engines.close()

    def write(self, work: Callable[[Transaction], ResultT]) -> ResultT:
        """Run ``work`` in the writer's next transaction."""
        return self._write(self._writer, work)

    def write_lead(self, work: Callable[[Transaction], ResultT]) -> ResultT:
        """Run ``work`` on a connection of its own, if there may be other schedulers.

        Those that stall are ended first: they may have locked the lead.
        """
        stalled_for = self._engines.stall_timeout
        return self._write(self._lead_writer, work, end_stalled_for=stalled_for)

    def _write(
        self,
        writer: Writer,
        work: Callable[[Transaction], ResultT],
        *,
        end_stalled_for: timedelta | None = None,
    ) -> ResultT:
        def unit(connection: Connection) -> Written[ResultT]:
            if end_stalled_for is not None:
                end_stalled(connection, end_stalled_for)
            transaction = SqlTransaction(connection)
            result = work(transaction)
            transaction.flush()
            return Written(result, transaction.occurrences, transaction.state_changes)

        written: Written[ResultT] = writer.run(unit, then=self._notify)
        return written.result

    def summaries(
        self, ids: Collection[TaskId], *, owner: str | None
    ) -> dict[TaskId, TaskSummary]:
        """Read from the narrow table alone, which has the owner."""
        if len(ids) == 1:
            [task_id] = ids
            return self._read_alone(
                lambda engine: by_id.read_summary(engine, task_id, owner)
            )
        return self._read(
            lambda connection: by_id.read_summaries(connection, ids, owner)
        )

    def tasks(
        self, ids: Collection[TaskId], *, owner: str | None, full: bool, max_bytes: int
    ) -> TaskListing:
        """Read whole tasks."""
        return self._read(
            lambda connection: by_id.read_tasks(
                connection, ids, owner, full=full, max_bytes=max_bytes
            ),
            at_one_moment=True,
        )

    def list_summaries(self, query: TaskQuery) -> list[TaskSummary]:
        """List from the narrow table alone."""
        return self._read(lambda connection: _page(connection, query))

    def list_tasks(
        self, query: TaskQuery, *, full: bool, max_bytes: int
    ) -> TaskListing:
        """Read whole what fits of a page."""

        def read(connection: Connection) -> TaskListing:
            statement = reading.select_tasks(
                page_statement(connection, query), full=full
            )
            rows = connection.execute(statement, {"max_bytes": max_bytes}).all()
            return reading.listing_of(connection, rows, full=full)

        return self._read(read, at_one_moment=True)

    def oldest(self) -> Oldest:
        """Read by the indices of states and of ends."""
        return self._read(queries.read_oldest)

    def usage_of_all(self) -> dict[Subject, Usage]:
        """Read every counter; one that cannot be read must not stop everybody."""
        usage, unreadable = self._read(read_counters)
        self._unreadable_usage.warn(unreadable)
        return usage

    def usage_history(self) -> History:
        """Read every row."""
        return self._read(read_history)

    def committed(self, minimum: Demand, *, admitted_before: datetime) -> Commitments:
        """Add up by the index of states."""
        return self._read(
            lambda connection: read_committed(
                connection, minimum, admitted_before=admitted_before
            )
        )

    def queues(self, window: int) -> list[list[QueuedTask]]:
        """Read the heads of all queues."""
        return self._read(lambda connection: queries.read_queues(connection, window))

    def assigned(self, taskmaster_id: str) -> list[TaskRecord]:
        """Read by the index of what is not released."""
        return self._read(
            lambda connection: queries.read_assigned(connection, taskmaster_id)
        )

    def assigned_attempts(self, taskmaster_id: str) -> list[AssignedAttempt]:
        """Read a few columns, by the index of what is not released."""
        return self._read_alone(
            lambda engine: queries.read_assigned_attempts(engine, taskmaster_id)
        )

    def record(self, task_id: TaskId) -> TaskRecord | None:
        """Read one record."""
        values = {"task": task_id}
        row = self._read(
            lambda connection: connection.execute(_RECORD, values).one_or_none()
        )
        return None if row is None else record_of(row)

    def document(self, task_id: TaskId) -> Document | None:
        """Read one document."""
        return self.documents([task_id]).get(task_id)

    def documents(self, ids: Collection[TaskId]) -> dict[TaskId, Document]:
        """Read them by one statement."""
        values = {"tasks": list(ids)}
        rows = self._read(
            lambda connection: connection.execute(_DOCUMENTS, values).all()
        )
        return {TaskId(task_id): Document(body) for task_id, body in rows}

    def executors(self, seq: int) -> list[tuple[int, int | None]]:
        """Read which logs of executors there are: their first event makes them."""
        values = {"row": seq}
        rows = self._read(
            lambda connection: connection.execute(_EXECUTORS, values).all()
        )
        return [(position, code) for position, code in rows]

    def fleet(self) -> list[Taskmaster]:
        """Read all taskmasters."""
        return self._read(queries.read_taskmasters)

    def taskmaster(self, taskmaster_id: str) -> Taskmaster | None:
        """Read one taskmaster."""
        return self._read(
            lambda connection: queries.read_taskmaster(connection, taskmaster_id)
        )

    def unassigned(self) -> list[UnassignedAttempt]:
        """Read a few columns, by the index of what is not released."""
        return self._read(queries.read_unassigned)

    def state_changes(
        self, after: Position | None, filters: Sequence[ChangeFilter], *, limit: int
    ) -> ChangePage:
        """Read by the numbers of changes."""
        return self._read(
            lambda connection: read_changes(connection, after, filters, limit)
        )

    def due_tasks(self, limit: int) -> list[tuple[TaskId, datetime]]:
        """Read by the index of what is due."""
        return self._read(lambda connection: queries.read_due(connection, limit))

    def check_health(self) -> None:
        """Check files and disk; write a probe unless there was a write recently."""
        if self._file:
            self._file.check()
            self._file.check_space()
        if not self._writer.has_succeeded_within(_PROBE_SECONDS):
            self._writer.run(_probe, timeout=self._probe_timeout)

    def leader(self) -> Leadership | None:
        """Read the lead."""
        return self._read(queries.read_leader)

    def time(self) -> datetime | None:
        """Read the time of the server, if there is one."""
        return self._read(queries.read_clock)

    def _notify(self, written: Written[Any]) -> None:
        for occurrence in written.occurrences:
            self._observer.happened(occurrence)

    def _read_alone(self, read: Callable[[Engine], ResultT]) -> ResultT:
        """Read by one statement of the driver."""
        if self._file:
            self._file.check()
        try:
            return read(self._engines.reader)
        except SQLAlchemyError as error:
            raise as_tesk_error(error) from error

    def _read(
        self, read: Callable[[Connection], ResultT], *, at_one_moment: bool = False
    ) -> ResultT:
        if self._file:
            self._file.check()
        try:
            with self._engines.reader.connect() as connection:
                if at_one_moment and not self._engines.exclusive:
                    # SQLite reads so in every transaction.
                    connection.execution_options(isolation_level="REPEATABLE READ")
                return read(connection)
        except SQLAlchemyError as error:
            raise as_tesk_error(error) from error


def _page(connection: Connection, query: TaskQuery) -> list[TaskSummary]:
    rows: Any = connection.execute(page_statement(connection, query))
    return [reading.summary_of(row) for row in rows]


def _probe(connection: Connection) -> None:
    values = {"id": 1, "written": time.time_ns() // 1000}
    connection.execute(statements.PUT_PROBE[connection.dialect.name], values)


def _nothing() -> None:
    """Check nothing: a database server reports its own failures."""
