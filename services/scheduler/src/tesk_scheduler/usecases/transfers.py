"""What filers may know and say of their attempt."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tesk_model.errors import ConflictError
from tesk_model.names import Attempt
from tesk_model.task import OutputFileLog
from tesk_scheduler.domain.progress import (
    Direction,
    Progress,
    progress_words,
    result_words,
)
from tesk_scheduler.domain.records import Document, TaskRecord
from tesk_scheduler.ports.store import TaskStore, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferVerdict:
    """How a transfer ended.

    Attributes:
        error: "" if everything arrived.
        warnings: Lines for ``system_logs``.
        files: How many were moved,
        size: and their bytes.
    """

    error: str
    warnings: tuple[str, ...]
    files: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfers:
    """Serves filers, whose token has been checked.

    Every method raises ConflictError if the attempt is over.
    """

    store: TaskStore

    def document(self, attempt: Attempt) -> Document:
        """Read the task; the caller shows only the part that concerns it."""
        record = self.store.record(attempt.task_id)
        document = self.store.document(attempt.task_id)
        if record is None or document is None or not record.is_current(attempt):
            raise _over(attempt)
        return document

    def progress(
        self, attempt: Attempt, direction: Direction, progress: Progress
    ) -> None:
        """Show how far a transfer is; the last word stands."""

        def note(tx: Transaction) -> None:
            record = _current(tx, attempt)
            if not _is_finished(record, direction):
                words = progress_words(progress)
                tx.merge_metadata(record.seq, {direction.value: words})

        self.store.write(note)

    def add_output_files(
        self, attempt: Attempt, files: Sequence[OutputFileLog]
    ) -> None:
        """Record uploaded files, each once."""

        def add(tx: Transaction) -> None:
            tx.put_output_files(_current(tx, attempt).seq, files)

        self.store.write(add)

    def finish(
        self, attempt: Attempt, direction: Direction, verdict: TransferVerdict
    ) -> None:
        """Record the end of a transfer; success is final."""

        def finish(tx: Transaction) -> None:
            record = _current(tx, attempt)
            if _is_finished(record, direction):
                return
            error = (verdict.error,) if verdict.error else ()
            source = f"{direction.value}:{attempt.number}"
            tx.add_lines(record.seq, verdict.warnings, source=source)
            tx.add_lines(record.seq, error, source=f"{source}:error", last=True)
            if error:
                return
            if direction is Direction.OUTPUTS:
                tx.count_outputs(record.seq, verdict.files)
            words = result_words(verdict.files, verdict.size)
            tx.merge_metadata(record.seq, {direction.value: words})
            tx.save(record, _finished(record, direction))

        self.store.write(finish)


def _current(tx: Transaction, attempt: Attempt) -> TaskRecord:
    record = tx.records([attempt.task_id]).get(attempt.task_id)
    if record is None or not record.is_current(attempt):
        raise _over(attempt)
    return record


def _is_finished(record: TaskRecord, direction: Direction) -> bool:
    if direction is Direction.INPUTS:
        return record.inputs_finished
    return record.outputs_finished


def _finished(record: TaskRecord, direction: Direction) -> TaskRecord:
    if direction is Direction.INPUTS:
        return replace(record, inputs_finished=True)
    return replace(record, outputs_finished=True)


def _over(attempt: Attempt) -> ConflictError:
    return ConflictError(f"attempt {attempt.number} of {attempt.task_id} is over")
