"""Reads for operators; see ``AdminReads``."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection, func, select

from tesk_model.task import TaskId
from tesk_scheduler.adapters.store import exports, holds, recount
from tesk_scheduler.adapters.store.queries import UNRELEASED
from tesk_scheduler.adapters.store.rows import RECORD_COLUMNS, record_of
from tesk_scheduler.adapters.store.schema import STATE_NUMBERS, TASK
from tesk_scheduler.adapters.store.times import micros
from tesk_scheduler.domain.holds import Hold
from tesk_scheduler.domain.quota import Subject, Usage
from tesk_scheduler.domain.records import ACTIVE_STATES, TaskRecord
from tesk_scheduler.ports.admin_store import ExportPart

_C = TASK.c
_COUNT = select(func.count()).select_from(TASK)
_STRANDED = (
    select(*RECORD_COLUMNS)
    .where(
        _C.state.in_([STATE_NUMBERS[state] for state in ACTIVE_STATES]),
        _C.released.is_(True),
    )
    .order_by(_C.seq)
)

ResultT = TypeVar("ResultT")


class SqlAdminReads:
    """See ``AdminReads``."""

    def _read(
        self, read: Callable[[Connection], ResultT], *, at_one_moment: bool = False
    ) -> ResultT:
        """Run ``read`` on a connection; the store does."""
        raise NotImplementedError

    def holds(self) -> list[Hold]:
        """Read all."""
        return self._read(holds.read_holds)

    def recounted(self) -> tuple[Mapping[Subject, Usage], Mapping[Subject, Usage]]:
        """Count and read in one snapshot."""
        return self._read(recount.recount, at_one_moment=True)

    def unreadable_usage(self) -> list[str]:
        """Read all keys."""
        return self._read(recount.unreadable)

    def stranded(self, limit: int) -> list[TaskRecord]:
        """Read by the index of states."""
        query = _STRANDED.limit(limit)
        return self._read(
            lambda connection: list(map(record_of, connection.execute(query)))
        )

    def count_unreleased(self) -> int:
        """Count by the index of what is not released."""
        query = _COUNT.where(UNRELEASED)
        return self._read(lambda connection: int(connection.scalar(query) or 0))

    def count_expired(self, ended_before: datetime) -> int:
        """Count by the index of ends."""
        query = _COUNT.where(
            _C.ended.is_not(None),
            _C.ended < micros(ended_before),
            _C.released.is_(True),
        )
        return self._read(lambda connection: int(connection.scalar(query) or 0))

    def known_attempts(
        self, ids: Sequence[TaskId]
    ) -> Mapping[TaskId, tuple[int, bool]]:
        """Read from the narrow table alone."""
        query = select(_C.id, _C.attempt, _C.released).where(_C.id.in_(ids))
        return self._read(
            lambda connection: {
                TaskId(task_id): (attempt, released)
                for task_id, attempt, released in connection.execute(query)
            }
        )

    def export_header(self) -> bytes:
        """Read what describes this store."""
        return self._read(exports.export_header)

    def export_part(self, cursor: str, max_bytes: int) -> ExportPart:
        """Read in one snapshot."""
        return self._read(
            lambda connection: exports.export_part(connection, cursor, max_bytes),
            at_one_moment=True,
        )
