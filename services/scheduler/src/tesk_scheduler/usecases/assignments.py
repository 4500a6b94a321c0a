"""Builds assignments: all that a taskmaster needs to run an attempt."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from tesk_model.names import Attempt
from tesk_scheduler.domain.attempt_rules import AttemptRules
from tesk_scheduler.domain.orders import Assignment, never_started
from tesk_scheduler.domain.records import Document, TaskRecord
from tesk_scheduler.domain.tokens import transfer_token
from tesk_scheduler.ports.store import TaskStore
from tesk_scheduler.usecases.call_cache import CallCache


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignments:
    """Builds assignments.

    Attributes:
        secret: Transfer tokens are derived from it.
        rules: Returns the rules for attempts that are in force.
        call_cache: Names the task whose results may count for an attempt.
    """

    store: TaskStore
    secret: str
    rules: Callable[[], AttemptRules] = AttemptRules
    call_cache: CallCache = field(default_factory=CallCache)

    def of(self, records: Collection[TaskRecord]) -> Iterator[Assignment]:
        """Build the assignments of tasks' attempts, but of tasks that were deleted."""
        if not records:
            return
        documents = self.store.documents({record.id for record in records})
        for record in records:
            if document := documents.get(record.id):
                yield self._of(record, document)

    def _of(self, record: TaskRecord, document: Document) -> Assignment:
        attempt = Attempt(record.id, record.attempt)
        began = record.attempt_runs and record.last_sequence > 0
        executors = self.store.executors(record.seq) if began else []
        return Assignment(
            attempt=attempt,
            document=document,
            demand=record.demand,
            groups=record.groups,
            transfer_token=transfer_token(self.secret, attempt),
            last_sequence=record.last_sequence,
            # A successor need not begin with what is to be stopped.
            release_only=not record.attempt_runs
            or never_started(record)
            or bool(record.stop.code),
            finished_executors=tuple(
                (index, code) for index, code in executors if code is not None
            ),
            started_executors=tuple(index for index, _ in executors),
            inputs_finished=record.inputs_finished,
            outputs_finished=record.outputs_finished,
            began=record.started_at,
            held_up_since=record.held_up_since,
            repeated=self.rules().repeated_failures(record),
            candidate=None
            if executors
            else self.call_cache.candidate(self.store, record),
        )
