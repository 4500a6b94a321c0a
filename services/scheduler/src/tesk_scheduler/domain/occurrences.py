"""Defines what happened to tasks, as observers are notified once it is committed.

One class for each kind; logs use its name. Observers implement ``ports.observer``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from tesk_model.reasons import ReasonCode
from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.domain.records import TaskRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCreated:
    """A user created a task."""

    task_id: TaskId
    user: str
    group: str
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequested:
    """A user canceled a task that had not ended."""

    task_id: TaskId
    owner: str
    user: str
    admin: bool
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRead:
    """An admin read a task of another user."""

    task_id: TaskId
    owner: str
    user: str
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TasksListed:
    """An admin listed tasks of others; ``tasks`` counts those."""

    tasks: int
    user: str
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskAdmitted:
    """A queued task began an attempt."""

    task_id: TaskId
    attempt: int
    taskmaster: str
    queue_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptAssigned:
    """A running attempt got another taskmaster.

    Attributes:
        takeover: The one before was lost while it had the attempt.
    """

    task_id: TaskId
    attempt: int
    taskmaster: str
    takeover: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStateChanged:
    """A task changed its state, not to a final one."""

    task_id: TaskId
    attempt: int
    before: TaskState
    state: TaskState


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted:
    """A step started: ``inputs``, ``executors[0]``, … or ``outputs``."""

    task_id: TaskId
    attempt: int
    step: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorExited:
    """An executor ended."""

    task_id: TaskId
    attempt: int
    step: str
    exit_code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Files and bytes that a transfer moved by one scheme of urls.

    Attributes:
        seconds: Sum of the times that its files took; many move at once.
        failed: Files that could not be moved, and directories that could not be listed.
    """

    scheme: str
    files: int
    bytes: int
    seconds: float = 0.0
    failed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferEnded:
    """All inputs or outputs arrived, or one did not.

    Attributes:
        seconds: For how long its last filer moved files; 0 if unknown.
        moved: What that filer moved, also if it failed.
    """

    task_id: TaskId
    attempt: int
    step: str
    succeeded: bool
    seconds: float
    moved: tuple[Moved, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptLost:
    """An attempt ended through no fault of the user; another one follows."""

    task_id: TaskId
    attempt: int
    reason: ReasonCode
    run_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateChecked:
    """The call cache had a candidate; its results were taken, or the task runs."""

    task_id: TaskId
    attempt: int
    candidate: TaskId
    taken: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptLeftFiles:
    """Something of an attempt could not be removed."""

    task_id: TaskId
    attempt: int
    left: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEnded:
    """A task reached its final state.

    Attributes:
        attempts: How many were begun.
        queue_seconds: For how long the task waited for the last of them.
        run_seconds: For how long that ran; 0 if it never began.
        total_seconds: From the creation of the task.
    """

    task_id: TaskId
    user: str
    state: TaskState
    reason: ReasonCode
    attempts: int
    queue_seconds: float
    run_seconds: float
    total_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskmasterLost:
    """A taskmaster ended without being told to, and had attempts or might have."""

    taskmaster: str
    attempts: int
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorActed:
    """An operator did something by ``tesk admin``.

    Attributes:
        operator: As the command names itself.
        action: The command: ``hold``, ``verify``, …
        target: What it was done to.
        detail: More about it, such as the reason that was given.
    """

    operator: str
    action: str
    target: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRequeued:
    """An operator ended the attempt of a task, which is queued again."""

    task_id: TaskId
    attempt: int
    owner: str
    operator: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorityChanged:
    """An operator gave a queued task another priority."""

    task_id: TaskId
    owner: str
    operator: str
    before: int
    priority: int


Occurrence = (
    TaskCreated
    | CancelRequested
    | TaskRead
    | TasksListed
    | TaskAdmitted
    | AttemptAssigned
    | TaskStateChanged
    | StepStarted
    | ExecutorExited
    | TransferEnded
    | AttemptLost
    | AttemptLeftFiles
    | CandidateChecked
    | TaskEnded
    | TaskmasterLost
    | OperatorActed
    | TaskRequeued
    | PriorityChanged
)


def step_of_executor(index: int) -> str:
    """Name the step of an executor as the task's document does."""
    return f"executors[{index}]"


def occurrences_of(before: TaskRecord, after: TaskRecord) -> Iterator[Occurrence]:
    """Return what the change of a record means."""
    if after.state is before.state:
        if after.taskmaster and after.taskmaster != before.taskmaster:
            yield AttemptAssigned(
                task_id=after.id,
                attempt=after.attempt,
                taskmaster=after.taskmaster,
                takeover=after.takeovers > 0,
            )
    elif after.state.is_final:
        yield _end_of(before, after)
    elif after.state is TaskState.INITIALIZING and after.started_at:
        yield TaskAdmitted(
            task_id=after.id,
            attempt=after.attempt,
            taskmaster=after.taskmaster or "",
            queue_seconds=seconds_of(after.started_at - before.queued_at),
        )
    else:
        yield TaskStateChanged(
            task_id=after.id,
            attempt=after.attempt,
            before=before.state,
            state=after.state,
        )


def _end_of(before: TaskRecord, after: TaskRecord) -> TaskEnded:
    ended = after.ended_at or before.queued_at
    began = before.started_at if before.attempt_runs else None
    return TaskEnded(
        task_id=after.id,
        user=after.owner,
        state=after.state,
        reason=after.reason.code,
        attempts=after.attempt,
        queue_seconds=seconds_of((began or ended) - before.queued_at),
        run_seconds=seconds_of(ended - began) if began else 0.0,
        total_seconds=seconds_of(ended - (before.created_at or before.queued_at)),
    )


def seconds_of(span: timedelta) -> float:
    """Return seconds; clocks of several schedulers may differ a little."""
    return max(0.0, round(span.total_seconds(), 3))
