"""Defines the durable store of tasks, usage and taskmasters."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from tesk_model.reasons import Reason
from tesk_model.task import InputSize, OutputFileLog, TaskId, TransferStatus
from tesk_scheduler.domain.fleet import Taskmaster
from tesk_scheduler.domain.initializing import Commitments
from tesk_scheduler.domain.leadership import Leadership
from tesk_scheduler.domain.occurrences import Occurrence
from tesk_scheduler.domain.queues import QueuedTask
from tesk_scheduler.domain.quota import Demand, Subject, Usage
from tesk_scheduler.domain.records import (
    AssignedAttempt,
    Document,
    ExecutorLogChange,
    NewTask,
    Oldest,
    TaskListing,
    TaskQuery,
    TaskRecord,
    TaskSummary,
    UnassignedAttempt,
)
from tesk_scheduler.domain.state_changes import ChangeFilter, ChangePage, Position
from tesk_scheduler.domain.usage_history import History, HistoryChange
from tesk_scheduler.ports.admin_store import AdminChanges, AdminReads
from tesk_scheduler.ports.call_store import CallChanges, CallReads
from tesk_scheduler.ports.load_store import LoadReads
from tesk_scheduler.ports.wait_store import WaitReads

ResultT = TypeVar("ResultT")


class TaskChanges(Protocol):
    """Changes to tasks within one unit of work."""

    def task_ids_by_key(
        self, keys: Collection[tuple[str, str]]
    ) -> Mapping[tuple[str, str], TaskId]:
        """Return the tasks created with these (owner, idempotency key)."""

    def add_tasks(self, tasks: Sequence[NewTask]) -> None:
        """Store new tasks as QUEUED, in this order."""

    def records(self, ids: Collection[TaskId]) -> dict[TaskId, TaskRecord]:
        """Return and lock the records of those of ``ids`` that exist."""

    def save(self, before: TaskRecord, after: TaskRecord) -> None:
        """Replace a record and update the counters of usage.

        What the task is charged may change with its state, and only then.

        Raises:
            ConflictError: The stored task differs from ``before``.
        """

    def save_all(self, changes: Sequence[tuple[TaskRecord, TaskRecord]]) -> None:
        """Replace records, (before, after) each, as ``save`` does, but faster.

        Raises:
            ConflictError: A stored task differs from its ``before``.
        """

    def pass_through(self, before: TaskRecord, after: TaskRecord) -> None:
        """Add a state to the feed that a task has left again when it is saved."""

    def add_lines(
        self, seq: int, lines: Sequence[str], *, source: str = "", last: bool = False
    ) -> None:
        """Append to ``system_logs`` what fits the bounds of ``domain.bounds``.

        Args:
            seq: Of the task.
            lines: In order.
            source: Lines with the same non-empty source replace earlier ones.
            last: They report an end and are kept in any case.
        """

    def add_line_to_each(self, lines: Mapping[int, str]) -> None:
        """Append a line to each of many tasks, as ``add_lines`` does, but faster."""

    def change_executor_log(self, seq: int, change: ExecutorLogChange) -> None:
        """Begin or change the log of one executor."""

    def merge_metadata(self, seq: int, entries: Mapping[str, str]) -> None:
        """Add or replace entries of ``metadata`` that fit the bounds.

        A line of ``system_logs`` counts those that do not.
        """

    def metadata(self, seq: int) -> Mapping[str, str]:
        """Return the entries of ``metadata``."""

    def put_transfer(self, seq: int, status: TransferStatus) -> None:
        """Add or replace the status of the transfer of one direction."""

    def remove_transfer(self, seq: int, direction: str) -> None:
        """Remove the status of a transfer that has ended."""

    def put_input_sizes(self, seq: int, sizes: Sequence[InputSize]) -> None:
        """Set what arrived of the inputs; it replaces what was known."""

    def put_output_files(self, seq: int, files: Sequence[OutputFileLog]) -> None:
        """Add or replace, by url and path, entries of ``outputs``.

        Those that do not fit the bounds are counted as unlisted.
        """

    def count_outputs(self, seq: int, uploaded: int) -> None:
        """Correct the number of unlisted files, if there are any: ``uploaded`` in all."""

    def clear_attempt(self, seq: int) -> None:
        """Delete what is of the latest attempt alone.

        That is executor logs, outputs, metadata, the status of transfers, what arrived
        of its inputs, and what the call cache knows of its files, images and candidate.
        """

    def delete_tasks(self, *, ended_before: datetime, limit: int) -> int:
        """Delete up to ``limit`` finished and released tasks; return how many.

        Fewer if they have many outputs, but at least one if there is one.
        """

    def delete_changes(self, *, before: datetime, most: int, limit: int) -> int:
        """Delete up to ``limit`` of the first state changes; return how many.

        Args:
            before: Only those that were made before this time,
            most: and those beyond this number of the last ones.
            limit: Most to delete.
        """


class FleetChanges(Protocol):
    """Changes to taskmasters and the lead within one unit of work."""

    def usage(self, subjects: Collection[Subject]) -> dict[Subject, Usage]:
        """Return and lock the usage of ``subjects``; unknown ones use nothing."""

    def taskmasters(self) -> list[Taskmaster]:
        """List all taskmasters, with the number of attempts of each.

        None of them is removed before the unit of work is over.
        """

    def taskmaster(self, taskmaster_id: str) -> Taskmaster | None:
        """Return and lock one taskmaster, with the number of its attempts."""

    def put_taskmaster(self, taskmaster: Taskmaster) -> None:
        """Add or replace one; ``assigned`` is not stored but counted."""

    def remove_taskmaster(self, taskmaster_id: str, *, only_idle: bool) -> bool:
        """Delete one; its attempts, if any, are then unassigned.

        With ``only_idle``, do nothing and return False while it has attempts, or
        another unit of work may be assigning one to it.
        """

    def acquire_lead(
        self, holder: str, *, now: datetime, until: datetime, force: bool
    ) -> int | None:
        """Take or renew the lead; return its epoch, or None if another has it.

        With ``force``, take it in any case: no other process uses the store.
        """

    def release_lead(self, holder: str) -> bool:
        """Release the lead if ``holder`` has it; return whether it had."""

    def check_epoch(self, epoch: int) -> None:
        """Raise ConflictError unless ``epoch`` is that of the present leader."""

    def change_usage_history(self, change: HistoryChange) -> None:
        """Replace and delete rows of the history of usage."""

    def set_reasons(self, reasons: Mapping[TaskId, Reason], *, now: datetime) -> None:
        """Set the reasons, those that differ, of tasks that could be admitted.

        One without text clears what is stored.

        The time of each cause is added up, see ``domain.waits``; a cause that has
        lasted gets a line in ``system_logs``.
        """


class Transaction(TaskChanges, FleetChanges, AdminChanges, CallChanges, Protocol):
    """One unit of work: all of it happens or nothing.

    New tasks and changes of state are written to the feed of state changes, too. The
    store's observer is notified of what ``save`` means for a task, once the unit is
    durable.
    """

    def announce(self, occurrence: Occurrence) -> None:
        """Notify the observer of this as well, once the unit is durable."""


class TaskStore(AdminReads, CallReads, LoadReads, WaitReads, Protocol):
    """The durable store. Every method may raise UnavailableError.

    Reads see what was written by any unit of work that has returned.
    """

    def write(self, work: Callable[[Transaction], ResultT]) -> ResultT:
        """Run ``work`` in a transaction; durable when this returns.

        ``work`` may run more than once and on another thread; it changes nothing
        but its transaction. What it raises rolls it back and is raised here.
        """

    def write_lead(self, work: Callable[[Transaction], ResultT]) -> ResultT:
        """Run ``work``, which changes the lead alone, as ``write`` does.

        Where several schedulers share the store it waits for no other write of this
        one: they may wait for the locks of others for longer than the lead lasts.
        """

    def summaries(
        self, ids: Collection[TaskId], *, owner: str | None
    ) -> dict[TaskId, TaskSummary]:
        """Read summaries of those tasks that are ``owner``'s; None: of all owners.

        A task of another owner takes as long as one that does not exist.
        """

    def tasks(
        self, ids: Collection[TaskId], *, owner: str | None, full: bool, max_bytes: int
    ) -> TaskListing:
        """Read whole tasks: one, and then as many as fit in ``max_bytes``.

        One that exceeds the bounds of ``domain.bounds`` is truncated.

        Args:
            ids: Which.
            owner: As in ``summaries``.
            full: With streams and ``lines``.
            max_bytes: Approximate bytes of all that is read of them.
        """

    def list_summaries(self, query: TaskQuery) -> list[TaskSummary]:
        """List summaries, newest first."""

    def list_tasks(
        self, query: TaskQuery, *, full: bool, max_bytes: int
    ) -> TaskListing:
        """List as ``tasks`` reads."""

    def oldest(self) -> Oldest:
        """Read since when the first waiting task waits and the first to end has ended."""

    def usage_of_all(self) -> dict[Subject, Usage]:
        """Read every counter; those that are of no subject are left out."""

    def usage_history(self) -> History:
        """Read what users and groups have used before."""

    def committed(self, minimum: Demand, *, admitted_before: datetime) -> Commitments:
        """Add up what the tasks in progress take, each at least ``minimum``.

        Those that were admitted before ``admitted_before`` and whose first executor
        has not started are listed instead.
        """

    def queues(self, window: int) -> list[list[QueuedTask]]:
        """Read the first ``window`` tasks of each owner that has some queued.

        By priority, highest first, then by arrival.
        Tasks of which an earlier attempt is not released, or whose next attempt is
        to wait (``not_before``), are left out.
        """

    def state_changes(
        self, after: Position | None, filters: Sequence[ChangeFilter], *, limit: int
    ) -> ChangePage:
        """Read the first changes after a position that match one of the filters.

        What is read in one call is bounded, also where few changes match: there may
        be more, and none among those that were read.

        Args:
            after: None: after the last one, so that there are none.
            filters: Who follows what.
            limit: Most changes to read.
        """

    def due_tasks(self, limit: int) -> list[tuple[TaskId, datetime]]:
        """List the tasks with a time at which they are due, earliest first."""

    def assigned(self, taskmaster_id: str) -> list[TaskRecord]:
        """List the attempts of a taskmaster that are not released."""

    def assigned_attempts(self, taskmaster_id: str) -> list[AssignedAttempt]:
        """List them as far as orders follow from them, oldest first."""

    def record(self, task_id: TaskId) -> TaskRecord | None:
        """Read one record."""

    def document(self, task_id: TaskId) -> Document | None:
        """Read one document."""

    def documents(self, ids: Collection[TaskId]) -> dict[TaskId, Document]:
        """Read those that there are, all of them at once."""

    def executors(self, seq: int) -> list[tuple[int, int | None]]:
        """List (index, exit code) of executors that started, by index.

        Only those of the present attempt. The code of one whose end was not
        reported is None.
        """

    def fleet(self) -> list[Taskmaster]:
        """Read all taskmasters."""

    def taskmaster(self, taskmaster_id: str) -> Taskmaster | None:
        """Read one."""

    def time(self) -> datetime | None:
        """Return the store's own time; None if it has no clock of its own."""

    def leader(self) -> Leadership | None:
        """Read the lead; None before the first leader."""

    def check_health(self) -> None:
        """Return if the store can be written and a restart would find it.

        Cheap: a recent write counts for a while. Raises UnavailableError
        otherwise.
        """

    def unassigned(self) -> list[UnassignedAttempt]:
        """List attempts that are not released and have no taskmaster, oldest first."""
