"""What changes of a record mean to whoever reads the logs."""

from datetime import timedelta

import pytest

from builders.scheduler_tasks import NOON, make_record
from tesk_model.events import (
    EventPayload,
    ExecutorEnded,
    ExecutorStarted,
    Finished,
    Outcome,
    TaskEvent,
)
from tesk_model.names import Attempt
from tesk_model.reasons import Reason, ReasonCode
from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.domain.events import Reporter, apply_event, occurrences_of_effect
from tesk_scheduler.domain.occurrences import (
    AttemptAssigned,
    AttemptLost,
    ExecutorExited,
    Occurrence,
    StepStarted,
    TaskAdmitted,
    TaskEnded,
    TaskStateChanged,
    occurrences_of,
)
from tesk_scheduler.domain.records import TaskRecord
from tesk_scheduler.domain.takeovers import reassigned, without_taskmaster
from tesk_scheduler.domain.transitions import admitted, canceled, with_state

ID = TaskId("t-1")
QUEUED = make_record()
ADMITTED = admitted(QUEUED, "tm-1", NOON + timedelta(seconds=3))
RUNNING = with_state(ADMITTED, TaskState.RUNNING, NOON)
ENDED_AT = NOON + timedelta(seconds=10.5)
TAKEN = without_taskmaster(RUNNING, now=NOON + timedelta(seconds=4))

CASES: dict[str, tuple[TaskRecord, TaskRecord, list[Occurrence]]] = {
    "an admission": (
        QUEUED,
        ADMITTED,
        [TaskAdmitted(task_id=ID, attempt=1, taskmaster="tm-1", queue_seconds=3)],
    ),
    "a start": (
        ADMITTED,
        RUNNING,
        [
            TaskStateChanged(
                task_id=ID,
                attempt=1,
                before=TaskState.INITIALIZING,
                state=TaskState.RUNNING,
            )
        ],
    ),
    "an end": (
        RUNNING,
        with_state(RUNNING, TaskState.COMPLETE, ENDED_AT),
        [
            TaskEnded(
                task_id=ID,
                user="alice",
                state=TaskState.COMPLETE,
                reason=ReasonCode.NONE,
                attempts=1,
                queue_seconds=3,
                run_seconds=7.5,
                total_seconds=10.5,
            )
        ],
    ),
    "an end in the queue": (
        QUEUED,
        canceled(QUEUED, ENDED_AT),
        [
            TaskEnded(
                task_id=ID,
                user="alice",
                state=TaskState.CANCELED,
                reason=ReasonCode.CANCELED,
                attempts=0,
                queue_seconds=10.5,
                run_seconds=0,
                total_seconds=10.5,
            )
        ],
    ),
    "a cancel": (
        RUNNING,
        canceled(RUNNING, NOON),
        [
            TaskStateChanged(
                task_id=ID,
                attempt=1,
                before=TaskState.RUNNING,
                state=TaskState.CANCELING,
            )
        ],
    ),
    "a takeover": (
        TAKEN,
        reassigned(TAKEN, "tm-2", NOON),
        [AttemptAssigned(task_id=ID, attempt=1, taskmaster="tm-2", takeover=True)],
    ),
    "an assignment of what nobody could take before": (
        ADMITTED.replaced(taskmaster=None),
        ADMITTED,
        [AttemptAssigned(task_id=ID, attempt=1, taskmaster="tm-1", takeover=False)],
    ),
    "the loss of a taskmaster, which is told of itself": (RUNNING, TAKEN, []),
    "another reason": (
        RUNNING,
        RUNNING.replaced(reason=Reason(ReasonCode.IMAGE_PULLING, "pulling")),
        [],
    ),
}


@pytest.mark.parametrize(("before", "after", "want"), CASES.values(), ids=CASES)
def test_occurrences_of_a_changed_record(
    before: TaskRecord, after: TaskRecord, want: list[Occurrence]
) -> None:
    assert list(occurrences_of(before, after)) == want


def ended(code: int) -> ExecutorEnded:
    return ExecutorEnded(
        index=1, exit_code=code, stdout="", stderr="", start_time=None, end_time=None
    )


REPORTS: dict[str, tuple[EventPayload, list[Occurrence]]] = {
    "a start": (
        ExecutorStarted(1),
        [StepStarted(task_id=ID, attempt=1, step="executors[1]")],
    ),
    "an exit": (
        ended(3),
        [ExecutorExited(task_id=ID, attempt=1, step="executors[1]", exit_code=3)],
    ),
    "a loss": (
        Finished(Outcome.LOST, Reason(ReasonCode.EVICTED, "evicted")),
        [AttemptLost(task_id=ID, attempt=1, reason=ReasonCode.EVICTED, run_seconds=0)],
    ),
    "a success": (Finished(Outcome.COMPLETE), []),
}


@pytest.mark.parametrize(("payload", "want"), REPORTS.values(), ids=REPORTS)
def test_occurrences_of_a_reported_event(
    payload: EventPayload, want: list[Occurrence]
) -> None:
    event = TaskEvent(attempt=Attempt(ID, 1), sequence=1, time=NOON, payload=payload)
    by = Reporter(taskmaster="tm-1", now=NOON)

    assert list(occurrences_of_effect(apply_event(RUNNING, event, by))) == want
