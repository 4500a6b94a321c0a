"""Changes of the call cache, within a transaction; see ``CallChanges``."""

from collections.abc import Collection, Sequence

from sqlalchemy import func, literal, select, update

from tesk_model.identities import FileIdentity
from tesk_model.task import TaskId
from tesk_scheduler.adapters.store import calls, schema
from tesk_scheduler.adapters.store.schema import TASK
from tesk_scheduler.adapters.store.statements import replacing
from tesk_scheduler.adapters.store.task_changes import SqlTaskChanges
from tesk_scheduler.domain.calls import CallRecord

_C, _CALL = TASK.c, schema.CALL.c
_BATCH = schema.IDENTITY_BATCH.c
_PUT_BATCH = replacing(
    schema.IDENTITY_BATCH, "task_seq digest", lambda new: {"position": new.position}
)
_OUTPUT_COUNTS = ("output_files", "output_bytes", "outputs_unlisted")


class SqlCallChanges(SqlTaskChanges):
    """See ``CallChanges``."""

    def calls(self, seqs: Collection[int]) -> dict[int, CallRecord]:
        """Read by the primary key."""
        query = select(schema.CALL).where(_CALL.task_seq.in_(list(seqs)))
        found = map(calls.call_record_of, self._connection.execute(query))
        return {call.seq: call for call in found}

    def save_call(self, call: CallRecord) -> None:
        """Update one row."""
        self._connection.execute(
            update(schema.CALL)
            .where(_CALL.task_seq == call.seq)
            .values(calls.changing_call_values(call))
        )

    def newest_reusable(self, call: CallRecord) -> TaskId | None:
        """Read by the index of keys."""
        query = (
            select(_C.id)
            .join(schema.CALL, _CALL.task_seq == _C.seq)
            .where(
                _CALL.call_key == call.key,
                _CALL.scope == call.scope,
                _CALL.reusable.is_(True),
            )
            .order_by(_CALL.task_seq.desc())
            .limit(1)
        )
        found = self._connection.scalar(query)
        return None if found is None else TaskId(found)

    def add_identities(self, seq: int, files: Sequence[FileIdentity]) -> None:
        """Insert one batch; one that is there already becomes the last one."""
        count = select(func.coalesce(func.max(_BATCH.position) + 1, 0)).where(
            _BATCH.task_seq == seq
        )
        position = self._connection.scalar(count)
        values = {**calls.batch_values(seq, files), "position": position}
        self._connection.execute(_PUT_BATCH[self._dialect], values)

    def image_digests(self, seq: int) -> Sequence[str]:
        """Write what is pending, then read."""
        SqlTaskChanges.flush(self)
        return calls.read_image_digests(self._connection, seq)

    def copy_results(self, source: int, target: int) -> None:
        """Copy the rows."""
        for table in (schema.EXECUTOR_LOG, schema.OUTPUT_FILE):
            names = [each.name for each in table.c if each.name != "task_seq"]
            rows = select(
                literal(target).label("task_seq"), *(table.c[name] for name in names)
            ).where(table.c.task_seq == source)
            insert = table.insert().from_select(["task_seq", *names], rows)
            self._connection.execute(insert)
        counts = select(*(_C[name] for name in _OUTPUT_COUNTS)).where(_C.seq == source)
        values = self._connection.execute(counts).one()._asdict()
        self._connection.execute(update(TASK).where(_C.seq == target).values(values))
