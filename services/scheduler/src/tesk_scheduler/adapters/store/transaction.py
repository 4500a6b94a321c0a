"""Changes tasks, usage, taskmasters and the lead in one unit of work."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from sqlalchemy import Connection, delete, exists, insert, select, update

from tesk_model.errors import ConflictError
from tesk_model.reasons import Reason
from tesk_model.task import TaskId
from tesk_scheduler.adapters.store import statements
from tesk_scheduler.adapters.store.admin_changes import SqlAdminChanges
from tesk_scheduler.adapters.store.past_usage import write_history
from tesk_scheduler.adapters.store.queries import (
    UNRELEASED,
    read_taskmaster,
    read_taskmasters,
)
from tesk_scheduler.adapters.store.rows import (
    reason_of,
    reason_values,
)
from tesk_scheduler.adapters.store.schema import (
    LEADER,
    TASK,
    TASKMASTER,
)
from tesk_scheduler.adapters.store.state_changes import write_changes
from tesk_scheduler.adapters.store.times import from_micros, micros
from tesk_scheduler.adapters.store.usage_keys import usage_key
from tesk_scheduler.adapters.store.usage_reads import read_usage
from tesk_scheduler.domain.fleet import Taskmaster
from tesk_scheduler.domain.occurrences import Occurrence, occurrences_of
from tesk_scheduler.domain.quota import Subject, Usage
from tesk_scheduler.domain.records import TaskRecord
from tesk_scheduler.domain.state_changes import NewChange
from tesk_scheduler.domain.usage_history import HistoryChange
from tesk_scheduler.domain.waits import continued, lasting_line

ResultT = TypeVar("ResultT")

_C = TASK.c
_LEADER_ROW = 1
_REASONS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Written(Generic[ResultT]):
    """What a unit of work returned, and what it wrote."""

    result: ResultT
    occurrences: Sequence[Occurrence]
    changes: Sequence[NewChange]


def finish_transaction(connection: Connection, results: Sequence[object]) -> None:
    """Write the changes of states of all units of a transaction, before its commit."""
    written = [each for each in results if isinstance(each, Written)]
    write_changes(connection, [change for each in written for change in each.changes])


class SqlTransaction(SqlAdminChanges):
    """See ``Transaction``.

    Attributes:
        occurrences: To notify of once this is durable, in their order.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.occurrences: list[Occurrence] = []

    def save_all(self, changes: Sequence[tuple[TaskRecord, TaskRecord]]) -> None:
        """Update records, and note what that means."""
        super().save_all(changes)
        for before, after in changes:
            self.occurrences.extend(occurrences_of(before, after))

    def announce(self, occurrence: Occurrence) -> None:
        """Note it."""
        self.occurrences.append(occurrence)

    def flush(self) -> None:
        """Write executor logs and the counters of usage."""
        super().flush()
        changes = self._usage_changes.changes()
        # The same order in every transaction keeps them from blocking each other.
        by_key = sorted((usage_key(subject), change) for subject, change in changes)
        rows = [key._asdict() | change.named() for key, change in by_key]
        if rows:
            statements.ADD_USAGE.run_all(self._connection, rows)

    def usage(self, subjects: Collection[Subject]) -> dict[Subject, Usage]:
        """Read and lock counters."""
        found = read_usage(self._connection, subjects, lock=True)
        return {subject: found.get(subject, Usage()) for subject in subjects}

    def taskmasters(self) -> list[Taskmaster]:
        """Read all, and keep them from being removed."""
        return read_taskmasters(self._connection, lasting=True)

    def taskmaster(self, taskmaster_id: str) -> Taskmaster | None:
        """Read and lock one."""
        return read_taskmaster(self._connection, taskmaster_id, lock=True)

    def put_taskmaster(self, taskmaster: Taskmaster) -> None:
        """Insert or update."""
        values = {
            "id": taskmaster.id,
            "slots": taskmaster.slots,
            "lease_until": micros(taskmaster.lease_until),
            "seen": taskmaster.seen,
            "started": micros(taskmaster.started_at),
            "revision": taskmaster.revision,
            "dedicated": taskmaster.dedicated,
        }
        self._connection.execute(statements.PUT_TASKMASTER[self._dialect], values)

    def remove_taskmaster(self, taskmaster_id: str, *, only_idle: bool) -> bool:
        """Delete, and unassign its attempts."""
        mine = (_C.taskmaster == taskmaster_id) & UNRELEASED
        known = TASKMASTER.c.id == taskmaster_id
        statement = delete(TASKMASTER).where(known)
        if only_idle:
            # First, because a statement does not see what is committed while it waits.
            # Who has locked it may be assigning an attempt to it, so it is not idle.
            mark = select(TASKMASTER.c.id).where(known)
            lock = mark.with_for_update(skip_locked=True)
            if self._connection.scalar(lock) is None:
                return False
            statement = statement.where(~exists(select(_C.seq).where(mine)))
        removed = self._connection.execute(statement).rowcount == 1
        if not only_idle:
            self._connection.execute(update(TASK).where(mine).values(taskmaster=None))
        return removed

    def acquire_lead(
        self, holder: str, *, now: datetime, until: datetime, force: bool
    ) -> int | None:
        """Take or renew the lead, unless another has it."""
        row = self._connection.execute(select(LEADER).with_for_update()).one_or_none()
        values = {"holder": holder, "until": micros(until)}
        if row is None:
            self._connection.execute(
                insert(LEADER).values(
                    id=_LEADER_ROW, epoch=1, since=micros(now), **values
                )
            )
            return 1
        if row.holder != holder:
            if row.until > micros(now) and not force:
                return None
            values["since"] = micros(now)
        epoch: int = row.epoch + (row.holder != holder)
        self._connection.execute(update(LEADER).values(epoch=epoch, **values))
        return epoch

    def release_lead(self, holder: str) -> bool:
        """End the term of the holder."""
        statement = update(LEADER).where(LEADER.c.holder == holder).values(until=0)
        return self._connection.execute(statement).rowcount == 1

    def check_epoch(self, epoch: int) -> None:
        """Compare, and lock the lead."""
        present = self._connection.scalar(select(LEADER.c.epoch).with_for_update())
        if present != epoch:
            raise ConflictError("another scheduler leads now")

    def change_usage_history(self, change: HistoryChange) -> None:
        """Insert or update, and delete."""
        write_history(self._connection, change)

    def set_reasons(self, reasons: Mapping[TaskId, Reason], *, now: datetime) -> None:
        """Read what there is, and update what differs."""
        ids = list(reasons)
        for first in range(0, len(ids), _REASONS_AT_ONCE):
            some = ids[first : first + _REASONS_AT_ONCE]
            self._set_reasons({each: reasons[each] for each in some}, now)

    def _set_reasons(self, reasons: Mapping[TaskId, Reason], now: datetime) -> None:
        found = self._connection.execute(
            statements.EXPLAINED_TASKS, {"ids": list(reasons)}
        )
        rows = []
        lines = {}
        for row in found.all():
            before, history = reason_of(row.reason_code, row.reason, row.wait)
            reason = reasons[row.id]
            began = from_micros(row.queued)
            after = continued(history, before, reason, began=began, now=now)
            after, line = lasting_line(after, reason, now)
            values = reason_values(reason, after)
            if line:
                lines[row.seq] = line
            if line or (values["new_reason"], values["new_reason_code"]) != (
                row.reason,
                row.reason_code,
            ):
                rows.append({"row": row.seq, **values})
        self.add_line_to_each(lines)
        if rows:
            statements.SET_REASON.run_all(self._connection, rows)
