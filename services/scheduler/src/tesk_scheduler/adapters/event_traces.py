"""Makes spans of what happened: a task's life, its time in the queue, its attempts."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tesk_model.names import Attempt
from tesk_model.spans import Span, Tracer, attempt_span_id, task_span_id
from tesk_model.states import TaskState
from tesk_scheduler.domain.occurrences import (
    AttemptLost,
    Occurrence,
    TaskAdmitted,
    TaskEnded,
)


@dataclass(frozen=True, slots=True)
class EventTraces:
    """See ``Observer``; what has just happened ended now."""

    tracer: Tracer

    def happened(self, occurrence: Occurrence) -> None:
        """Record the spans that end with it."""
        now = datetime.now(UTC)
        match occurrence:
            case TaskAdmitted():
                self._queued(occurrence, now)
            case AttemptLost():
                reason = occurrence.reason.value
                attempt = Attempt(occurrence.task_id, occurrence.attempt)
                self._attempt(attempt, now, occurrence.run_seconds, reason=reason)
            case TaskEnded():
                self._ended(occurrence, now)
            case _:
                pass

    def wrote(self, *, units: int, seconds: float, succeeded: bool) -> None:
        """Record nothing."""

    def answered(self, method: str, code: str, seconds: float) -> None:
        """Record nothing."""

    def round_ended(self, *, seconds: float, admitted: int) -> None:
        """Record nothing."""

    def _queued(self, admitted: TaskAdmitted, now: datetime) -> None:
        self.tracer.record(
            Span(
                name="queue",
                task_id=admitted.task_id,
                parent=task_span_id(admitted.task_id),
                start=now - timedelta(seconds=admitted.queue_seconds),
                end=now,
            )
        )

    def _attempt(
        self, attempt: Attempt, now: datetime, seconds: float, *, reason: str
    ) -> None:
        self.tracer.record(
            Span(
                name=f"attempt {attempt.number}",
                task_id=attempt.task_id,
                parent=task_span_id(attempt.task_id),
                id=attempt_span_id(attempt),
                start=now - timedelta(seconds=seconds),
                end=now,
                failed=bool(reason),
                attributes={"tesk.attempt": attempt.number, "tesk.reason": reason},
            )
        )

    def _ended(self, ended: TaskEnded, now: datetime) -> None:
        reason = ended.reason.value
        if ended.run_seconds:
            attempt = Attempt(ended.task_id, ended.attempts)
            self._attempt(attempt, now, ended.run_seconds, reason=reason)
        self.tracer.record(
            Span(
                name="task",
                task_id=ended.task_id,
                parent=None,
                id=task_span_id(ended.task_id),
                start=now - timedelta(seconds=ended.total_seconds),
                end=now,
                failed=ended.state is not TaskState.COMPLETE,
                attributes={"tesk.state": ended.state.value, "tesk.reason": reason},
            )
        )
