"""Serves the filers of an attempt: its document, progress, outputs and results."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tesk_model.errors import ConflictError, UnavailableError
from tesk_model.names import Attempt
from tesk_model.progress import format_moved, format_progress
from tesk_model.task import InputSize, OutputFileLog, TransferStatus
from tesk_scheduler.domain.call_cache import identified
from tesk_scheduler.domain.occurrences import Moved, StepStarted, TransferEnded
from tesk_scheduler.domain.progress import (
    NOTHING,
    Amount,
    Direction,
    format_summary,
)
from tesk_scheduler.domain.records import Document, TaskRecord
from tesk_scheduler.domain.transfers import (
    CACHE,
    UNDECLARED,
    UNTOLD,
    Destinations,
    TaskDeclaration,
    by_scheme,
    check_counts,
    check_files,
    check_input_sizes,
    executors_have_ended,
    executors_have_started,
    format_undeclared,
)
from tesk_scheduler.ports.environment import Clock
from tesk_scheduler.ports.observer import Observer
from tesk_scheduler.ports.store import TaskStore, Transaction
from tesk_scheduler.usecases.current_attempt import attempt_is_over, current_record
from tesk_scheduler.usecases.notifier import TaskmasterWakeups

_RETRY_AFTER = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferResult:
    """How a transfer ended.

    Attributes:
        error: "" if everything arrived.
        warnings: Lines for ``system_logs``.
        files: How many were moved,
        size: and their bytes.
        moved: The same by scheme; empty if the filer does not say.
        seconds: For how long they moved; 0 if the filer does not say.
        sha256: Digests of the files, for ``metadata``; "" if they are not wanted.
        resumed: What an earlier filer had moved of it, not within ``seconds``.
        identified: Each file was given an identity, or has none.
        input_sizes: What arrived of each input; empty if the filer does not say.
    """

    error: str
    warnings: tuple[str, ...]
    files: int
    size: int
    moved: tuple[Moved, ...] = ()
    seconds: float = 0.0
    resumed: Amount = NOTHING
    sha256: str = ""
    identified: bool = False
    input_sizes: tuple[InputSize, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfers:
    """Serves filers, whose token has been checked.

    Every method raises ConflictError if the attempt is over.

    Attributes:
        declaration_of: Reads from a document what its transfers need.
        observer: Hears of filers that begin.
        wakeups: Of the taskmaster, which goes on when a transfer has succeeded.
    """

    store: TaskStore
    clock: Clock
    declaration_of: Callable[[Document], TaskDeclaration]
    observer: Observer
    wakeups: TaskmasterWakeups

    def begin(
        self, attempt: Attempt, direction: Direction
    ) -> tuple[TaskRecord, Document]:
        """Read the task; the caller shows only the part that concerns it."""
        found = self._task(attempt)
        self.observer.happened(
            StepStarted(
                task_id=attempt.task_id, attempt=attempt.number, step=direction.value
            )
        )
        return found

    def document(self, attempt: Attempt) -> Document:
        """Read the document of an attempt's task."""
        return self._task(attempt)[1]

    def _task(self, attempt: Attempt) -> tuple[TaskRecord, Document]:
        record = self.store.record(attempt.task_id)
        document = self.store.document(attempt.task_id)
        if record is None or document is None or not record.is_current(attempt):
            raise attempt_is_over(attempt)
        return record, document

    def progress(self, attempt: Attempt, status: TransferStatus) -> None:
        """Store the progress of a transfer; later reports replace earlier ones.

        Raises:
            InvalidRequestError: A count is negative.
        """
        check_counts(
            files_done=status.files_done,
            files_total=status.files_total,
            bytes_done=status.bytes_done,
            bytes_total=status.bytes_total,
            bytes_per_second=status.bytes_per_second,
        )
        direction = Direction(status.direction)

        def note(tx: Transaction) -> None:
            record = current_record(tx, attempt)
            if not _is_finished(record, direction):
                text = format_progress(status)
                tx.merge_metadata(record.seq, {direction.value: text})
                tx.put_transfer(record.seq, status)

        self.store.write(note)

    def add_output_files(
        self, attempt: Attempt, files: Sequence[OutputFileLog]
    ) -> None:
        """Record uploaded files, each once; undeclared ones are omitted.

        Raises:
            InvalidRequestError: Too many at once, or a size is negative.
            UnavailableError: An executor has not ended, as far as is known yet.
        """
        check_files(files)
        self._check_executors(attempt, Direction.OUTPUTS)
        declaration = self.declaration_of(self.document(attempt))
        destinations = Destinations(declaration.outputs)
        known = [file for file in files if destinations.allow(file)]

        def add(tx: Transaction) -> None:
            seq = current_record(tx, attempt).seq
            tx.put_output_files(seq, known)
            if len(known) < len(files):
                line = format_undeclared(len(files) - len(known))
                tx.add_lines(seq, [line], source=UNDECLARED)

        self.store.write(add)

    def finish(
        self, attempt: Attempt, direction: Direction, result: TransferResult
    ) -> None:
        """Record the end of a transfer; success is final.

        Raises:
            InvalidRequestError: A count is negative.
            UnavailableError: An executor has not ended, as far as is known yet.
            ConflictError: Inputs after an executor has started.
        """
        _check_result(result)
        if not result.error:
            self._check_executors(attempt, direction)

        def finish(tx: Transaction) -> str | None:
            """Return the taskmaster that can go on; None: nothing has changed for it."""
            record = current_record(tx, attempt)
            if _is_finished(record, direction):
                return None
            error = (result.error,) if result.error else ()
            source = f"{direction.value}:{attempt.number}"
            tx.add_lines(record.seq, result.warnings, source=source)
            summary = _summary(direction, result)
            tx.add_lines(record.seq, [summary], source=f"{source}:moved", last=True)
            tx.add_lines(record.seq, error, source=f"{source}:error", last=True)
            tx.remove_transfer(record.seq, direction.value)
            tx.announce(_ended(attempt, direction, result))
            if error:
                return None
            if direction is Direction.OUTPUTS:
                tx.count_outputs(record.seq, result.files)
            elif result.input_sizes:
                tx.put_input_sizes(record.seq, result.input_sizes)
            text = format_moved(result.files, result.size)
            entries = {direction.value: text}
            if result.sha256:
                entries[f"{direction.value}.sha256"] = result.sha256
            tx.merge_metadata(record.seq, entries)
            tx.save(record, _finished(record, direction, self.clock.now()))
            if result.identified:
                _note_identified(tx, record.seq, direction)
            return record.taskmaster

        taskmaster = self.store.write(finish)
        if taskmaster is not None:
            self.wakeups.notify([taskmaster])

    def _check_executors(self, attempt: Attempt, direction: Direction) -> None:
        """Refuse inputs after, and outputs before, the executors run.

        The end of an executor and its outputs come from two processes, so that
        outputs may be a moment early; the filer reports them again.
        """
        record = self.store.record(attempt.task_id)
        if record is None or not record.is_current(attempt):
            raise attempt_is_over(attempt)
        if _is_finished(record, direction):
            return
        known = self.store.executors(record.seq)
        if direction is Direction.INPUTS:
            if executors_have_started(known):
                raise ConflictError("inputs arrive before the first executor starts")
            return
        if not executors_have_ended(self.declaration_of(self.document(attempt)), known):
            raise UnavailableError("the executors have not ended yet", _RETRY_AFTER)


def _note_identified(tx: Transaction, seq: int, direction: Direction) -> None:
    if call := tx.calls([seq]).get(seq):
        tx.save_call(identified(call, inputs=direction is Direction.INPUTS))


def _summary(direction: Direction, result: TransferResult) -> str:
    return format_summary(
        direction,
        Amount(files=result.files, size=result.size),
        result.seconds,
        resumed=result.resumed,
        cached=sum(each.files for each in result.moved if each.scheme == CACHE),
        failed=bool(result.error),
    )


def _check_result(result: TransferResult) -> None:
    check_input_sizes(result.input_sizes)
    check_counts(
        files=result.files,
        bytes=result.size,
        seconds=result.seconds,
        resumed_files=result.resumed.files,
        resumed_bytes=result.resumed.size,
        moved_files=result.files - result.resumed.files,
        moved_bytes=result.size - result.resumed.size,
    )
    for each in result.moved:
        check_counts(
            files=each.files, bytes=each.bytes, seconds=each.seconds, failed=each.failed
        )


def _ended(
    attempt: Attempt, direction: Direction, result: TransferResult
) -> TransferEnded:
    total = Moved(scheme=UNTOLD, files=result.files, bytes=result.size)
    return TransferEnded(
        task_id=attempt.task_id,
        attempt=attempt.number,
        step=direction.value,
        succeeded=not result.error,
        seconds=result.seconds,
        moved=by_scheme(result.moved or ((total,) if result.files else ())),
    )


def _is_finished(record: TaskRecord, direction: Direction) -> bool:
    if direction is Direction.INPUTS:
        return record.inputs_finished
    return record.outputs_finished


def _finished(record: TaskRecord, direction: Direction, now: datetime) -> TaskRecord:
    if direction is Direction.INPUTS:
        return record.replaced(inputs_finished=True, inputs_ended_at=now)
    return record.replaced(outputs_finished=True)
