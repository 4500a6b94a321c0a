"""Changes tasks, usage, taskmasters and the lead in one unit of work."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection, delete, exists, insert, select, update

from tesk_model.errors import ConflictError
from tesk_model.reasons import Reason
from tesk_model.task import TaskId
from tesk_scheduler.adapters.store import statements
from tesk_scheduler.adapters.store.queries import (
    UNRELEASED,
    read_taskmaster,
    read_taskmasters,
    read_usage,
)
from tesk_scheduler.adapters.store.rows import (
    RECORD_COLUMNS,
    reason_values,
    record_of,
)
from tesk_scheduler.adapters.store.schema import (
    LEADER,
    TASK,
    TASKMASTER,
)
from tesk_scheduler.adapters.store.task_changes import SqlTaskChanges
from tesk_scheduler.adapters.store.times import micros
from tesk_scheduler.domain.fleet import Taskmaster
from tesk_scheduler.domain.occurrences import Occurrence, occurrences_of
from tesk_scheduler.domain.quota import Subject, Usage
from tesk_scheduler.domain.records import TaskRecord

_C = TASK.c
_LEADER_ROW = 1


class SqlTransaction(SqlTaskChanges):
    """See ``Transaction``.

    Attributes:
        occurrences: To notify of once this is durable, in their order.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.occurrences: list[Occurrence] = []

    def save(self, before: TaskRecord, after: TaskRecord) -> None:
        """Update one record, and note what that means."""
        super().save(before, after)
        self.occurrences.extend(occurrences_of(before, after))

    def announce(self, occurrence: Occurrence) -> None:
        """Note it."""
        self.occurrences.append(occurrence)

    def flush(self) -> None:
        """Write executor logs and the counters of usage."""
        super().flush()
        rows = [
            {"kind": subject.kind.value, "name": subject.name, **change.named()}
            for subject, change in self._usage_changes.changes()
        ]
        if rows:
            self._connection.execute(statements.ADD_USAGE[self._dialect], rows)

    def usage(self, subjects: Collection[Subject]) -> dict[Subject, Usage]:
        """Read and lock counters."""
        found = read_usage(self._connection, subjects, lock=True)
        return {subject: found.get(subject, Usage()) for subject in subjects}

    def taskmasters(self) -> list[Taskmaster]:
        """Read all."""
        return read_taskmasters(self._connection)

    def taskmaster(self, taskmaster_id: str) -> Taskmaster | None:
        """Read one."""
        return read_taskmaster(self._connection, taskmaster_id)

    def put_taskmaster(self, taskmaster: Taskmaster) -> None:
        """Insert or update."""
        values = {
            "id": taskmaster.id,
            "slots": taskmaster.slots,
            "lease_until": micros(taskmaster.lease_until),
            "seen": taskmaster.seen,
            "started": micros(taskmaster.started_at),
            "revision": taskmaster.revision,
        }
        self._connection.execute(statements.PUT_TASKMASTER[self._dialect], values)

    def remove_taskmaster(self, taskmaster_id: str, *, only_idle: bool) -> bool:
        """Delete, and unassign its attempts."""
        mine = (_C.taskmaster == taskmaster_id) & UNRELEASED
        statement = delete(TASKMASTER).where(TASKMASTER.c.id == taskmaster_id)
        if only_idle:
            statement = statement.where(~exists(select(_C.seq).where(mine)))
        removed = self._connection.execute(statement).rowcount == 1
        if not only_idle:
            self._connection.execute(update(TASK).where(mine).values(taskmaster=None))
        return removed

    def unassigned(self, limit: int) -> list[TaskRecord]:
        """Read and lock the oldest."""
        query = (
            select(*RECORD_COLUMNS)
            .where(_C.taskmaster.is_(None), UNRELEASED)
            .order_by(_C.seq)
            .limit(limit)
            .with_for_update()
        )
        return [record_of(row) for row in self._connection.execute(query)]

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

    def set_reasons(self, reasons: Mapping[TaskId, Reason]) -> None:
        """Update the reasons that differ."""
        rows = [
            {"task": task_id, **reason_values(reason)}
            for task_id, reason in reasons.items()
        ]
        if rows:
            self._connection.execute(statements.SET_REASON, rows)
