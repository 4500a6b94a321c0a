"""Reads of the call cache; see ``CallReads``."""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from tesk_model.identities import FileIdentity
from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.adapters.store import calls, schema
from tesk_scheduler.adapters.store.admin_reads import SqlAdminReads
from tesk_scheduler.adapters.store.schema import STATE_NUMBERS, TASK
from tesk_scheduler.domain.calls import CallRecord

_C, _CALL = TASK.c, schema.CALL.c
_COMPLETE = STATE_NUMBERS[TaskState.COMPLETE]


class SqlCallReads(SqlAdminReads):
    """See ``CallReads``."""

    def call(self, task_id: TaskId) -> CallRecord | None:
        """Read one."""
        return self._read(lambda connection: calls.read_call(connection, task_id))

    def image_digests(self, task_id: TaskId) -> Sequence[str]:
        """Read those of one task."""

        def read(connection: Connection) -> Sequence[str]:
            call = calls.read_call(connection, task_id)
            return calls.read_image_digests(connection, call.seq) if call else ()

        return self._read(read, at_one_moment=True)

    def identities(self, task_id: TaskId) -> Sequence[FileIdentity] | None:
        """Read those of one task."""

        def read(connection: Connection) -> Sequence[FileIdentity] | None:
            call = calls.read_call(connection, task_id)
            if call is None or not call.reusable:
                return None
            return calls.read_identities(connection, call.seq)

        return self._read(read, at_one_moment=True)

    def equal_call(self, call: CallRecord) -> TaskId | None:
        """Read by the index of keys."""
        query = (
            select(_C.id)
            .join(schema.CALL, _CALL.task_seq == _C.seq)
            .where(
                _CALL.call_key == call.key,
                _CALL.scope == call.scope,
                _CALL.task_seq < call.seq,
                _C.state == _COMPLETE,
                _CALL.hit.is_(False),
            )
            .order_by(_CALL.task_seq.desc())
            .limit(1)
        )
        return self._read(lambda connection: _id(connection.scalar(query)))

    def comparable(self, task_id: TaskId, limit: int) -> Sequence[TaskId]:
        """Read by the index of names, or of owner and state."""

        def read(connection: Connection) -> Sequence[TaskId]:
            columns = select(_C.seq, _C.owner, _C.name_key).where(_C.id == task_id)
            own = connection.execute(columns).one_or_none()
            if own is None:
                return ()
            query = (
                select(_C.id)
                .where(_C.owner == own.owner, _C.state == _COMPLETE, _C.seq < own.seq)
                .order_by(_C.seq.desc())
                .limit(limit)
            )
            if own.name_key is not None:
                query = query.where(_C.name_key == own.name_key)
            return [TaskId(each) for each in connection.scalars(query)]

        return self._read(read)


def _id(found: str | None) -> TaskId | None:
    return None if found is None else TaskId(found)
