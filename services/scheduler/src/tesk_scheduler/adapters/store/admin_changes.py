"""Changes by operators, within a transaction; see ``AdminChanges``."""

from collections.abc import Mapping, Sequence

from sqlalchemy import delete, func, select, update

from tesk_model.reasons import ReasonCode
from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.adapters.store import holds, imports, recount
from tesk_scheduler.adapters.store.call_changes import SqlCallChanges
from tesk_scheduler.adapters.store.schema import (
    LEADER,
    LINE_PART,
    STATE_NUMBERS,
    TASK,
    TASKMASTER,
)
from tesk_scheduler.domain.holds import Hold
from tesk_scheduler.domain.quota import Subject, Usage
from tesk_scheduler.ports.admin_store import ImportCount

_C = TASK.c


class SqlAdminChanges(SqlCallChanges):
    """See ``AdminChanges``."""

    def lock_admission(self) -> None:
        """Lock the row that every admission locks to check its epoch."""
        self._connection.execute(select(LEADER.c.epoch).with_for_update()).all()

    def holds(self) -> list[Hold]:
        """Read all."""
        return holds.read_holds(self._connection)

    def put_hold(self, hold: Hold) -> None:
        """Insert or replace."""
        holds.put_hold(self._connection, hold)

    def remove_hold(self, subject: Subject) -> None:
        """Delete."""
        holds.remove_hold(self._connection, subject)

    def waiting_for(self, code: ReasonCode, limit: int) -> list[TaskId]:
        """Read by the index of states and reasons."""
        query = (
            select(_C.id)
            .where(
                _C.state == STATE_NUMBERS[TaskState.QUEUED],
                _C.reason_code == code.value,
            )
            .order_by(_C.seq)
            .limit(limit)
        )
        return [TaskId(task_id) for task_id in self._connection.scalars(query)]

    def drain_taskmaster(self, taskmaster_id: str) -> None:
        """Update the one column that nothing else changes."""
        self._connection.execute(
            update(TASKMASTER)
            .where(TASKMASTER.c.id == taskmaster_id)
            .values(draining=True)
        )

    def recount(self) -> tuple[Mapping[Subject, Usage], Mapping[Subject, Usage]]:
        """Lock, then count."""
        recount.lock_counters(self._connection)
        return recount.recount(self._connection)

    def set_usage(self, usage: Mapping[Subject, Usage]) -> None:
        """Update or insert."""
        recount.set_usage(self._connection, usage)

    def delete_unreadable_usage(self) -> list[str]:
        """Read, and delete by key."""
        return recount.delete_unreadable(self._connection)

    def count_tasks(self, limit: int) -> int:
        """Count no more than needed."""
        some = select(_C.seq).limit(limit).subquery()
        query = select(func.count()).select_from(some)
        return int(self._connection.scalar(query) or 0)

    def import_lines(self, lines: Sequence[bytes]) -> ImportCount:
        """Insert, and compare."""
        return imports.import_lines(self._connection, lines, self._usage_changes)

    def put_line_part(self, digest: str, index: int, data: bytes) -> None:
        """Insert or replace."""
        imports.put_part(self._connection, digest, index, data)

    def take_line(self, digest: str) -> bytes:
        """Read and delete."""
        return imports.take_parts(self._connection, digest)

    def clear_line_parts(self) -> None:
        """Delete all."""
        self._connection.execute(delete(LINE_PART))
