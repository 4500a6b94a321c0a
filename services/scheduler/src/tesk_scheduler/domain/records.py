"""Defines a task as the scheduler stores it: fields beside an opaque document.

The document is the task as it was submitted, serialized; rules never open it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, NewType, Self

import msgspec

from tesk_model.attempt_parameters import NO_PARAMETERS, AttemptParameters
from tesk_model.names import Attempt
from tesk_model.reasons import NO_REASON, Reason, ReasonCode
from tesk_model.states import TaskState
from tesk_model.task import InputSize, OutputFileLog, TaskId, TransferStatus
from tesk_scheduler.domain.calls import NewCall
from tesk_scheduler.domain.charging import subjects_of
from tesk_scheduler.domain.quota import Demand, Subject
from tesk_scheduler.domain.waits import NO_HISTORY, Spent, WaitHistory

Document = NewType("Document", bytes)
"""A serialized ``tesk.v1.Task`` without id, state, times and logs."""

Micros = NewType("Micros", int)
"""Microseconds since 1970 in UTC, as stored; not converted when read, for speed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """A task to be stored as QUEUED.

    Attributes:
        group: The group that is charged for it, if any.
        groups: All groups of the owner, in the order that the identity gives them.
        namespace: In which it will run; "" if there are none.
        gpu_type: Of the GPUs that it asks for; "" for any, or none.
        idempotency_key: "" for none.
        request_id: Of the call that creates it; it is not stored.
        priority: Higher ones of the same owner come first.
        lines: First lines of ``system_logs``.
        parameters: Those of its backend parameters that are about attempts.
        due_at: When it has waited for too long, if there is such a time.
        call: What it runs; None if the call cache is off.
        webhook: The receiver of its events that it names; "" for none.
    """

    id: TaskId
    owner: str
    group: str | None
    demand: Demand
    name: str | None
    tags: Mapping[str, str]
    document: Document
    created_at: datetime
    groups: tuple[str, ...] = ()
    namespace: str = ""
    gpu_type: str = ""
    idempotency_key: str = ""
    request_id: str = ""
    lines: tuple[str, ...] = ()
    priority: int = 0
    parameters: Mapping[str, str] = field(default_factory=dict)
    due_at: datetime | None = None
    call: NewCall | None = None
    webhook: str = ""

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """Everyone charged for the task."""
        return subjects_of(
            self.owner, self.group, namespace=self.namespace, gpu_type=self.gpu_type
        )


class TaskRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A stored task, as far as decisions about it need it.

    A struct of msgspec, which a report of events copies a dozen times: a dataclass of
    so many fields takes forty times as long to copy.

    Attributes:
        seq: Order of arrival, unique.
        groups: All groups of the owner when the task was created.
        namespace: In which it runs; "" if there are none.
        gpu_type: Of the GPUs that it asks for; "" for any, or none.
        attempt: Number of the latest attempt; 0 before the first.
        taskmaster: That has the attempt; None while it is unassigned.
        released: Nothing is left of the attempt, or there was none.
        last_sequence: Of the last event of this attempt; 0 = none.
        reason: Why it is in its state; only a code when the state is final.
        queued_at: When it was queued for this attempt.
        started_at: When the latest attempt became INITIALIZING.
        inputs_finished: The filer reported success, for this attempt.
        takeovers: Number of taskmasters in a row that died with this attempt.
        assigned_at: When its present taskmaster got it.
        inputs_ended_at: When the filer reported that.
        created_at: When the task was, if that is known.
        held_up_since: Since when its taskmasters have tried in vain what the reason
            names.
        priority: Higher ones of the same owner are admitted first.
        history: Of the reason.
        parameters: What the task says about its attempts.
        losses: Of its earlier attempts, how many ended for each cause.
        last_exit_code: Of the executor that ended last in this attempt.
        running_since: When the first executor of this attempt started.
        not_before: Until when another attempt waits; None: it can be admitted.
        due_at: When the leader is to look at the task, see ``domain.deadlines``.
        stop: Why the leader stops the attempt; the task ends with it.
        state_changed_at: When it came into its state, of a record that is to be saved;
            not stored.
    """

    seq: int
    id: TaskId
    owner: str
    group: str | None
    demand: Demand
    state: TaskState
    queued_at: datetime
    groups: tuple[str, ...] = ()
    namespace: str = ""
    gpu_type: str = ""
    attempt: int = 0
    taskmaster: str | None = None
    released: bool = True
    last_sequence: int = 0
    reason: Reason = NO_REASON
    started_at: datetime | None = None
    ended_at: datetime | None = None
    inputs_finished: bool = False
    outputs_finished: bool = False
    takeovers: int = 0
    assigned_at: datetime | None = None
    inputs_ended_at: datetime | None = None
    created_at: datetime | None = None
    held_up_since: datetime | None = None
    priority: int = 0
    history: WaitHistory = NO_HISTORY
    parameters: AttemptParameters = NO_PARAMETERS
    losses: Mapping[ReasonCode, int] = msgspec.field(default_factory=dict)
    last_exit_code: int | None = None
    running_since: datetime | None = None
    not_before: datetime | None = None
    due_at: datetime | None = None
    stop: Reason = NO_REASON
    state_changed_at: datetime | None = None

    def replaced(self, **fields: Any) -> Self:
        """Return a copy with other values of some fields."""
        return msgspec.structs.replace(self, **fields)

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """Everyone charged for the task."""
        return subjects_of(
            self.owner, self.group, namespace=self.namespace, gpu_type=self.gpu_type
        )

    @property
    def attempt_runs(self) -> bool:
        """Tell whether the latest attempt has not come to its end."""
        return _attempt_runs(self.attempt, self.state)

    def is_current(self, attempt: Attempt) -> bool:
        """Tell whether ``attempt`` is the latest one and has not ended."""
        return attempt.number == self.attempt and self.attempt_runs


ACTIVE_STATES = frozenset(
    {TaskState.INITIALIZING, TaskState.RUNNING, TaskState.CANCELING}
)


def _attempt_runs(attempt: int, state: TaskState) -> bool:
    return attempt > 0 and state in ACTIVE_STATES


@dataclass(frozen=True, slots=True, kw_only=True)
class UnassignedAttempt:
    """An attempt without a taskmaster, as far as it is decided what becomes of it."""

    id: TaskId
    attempt: int
    state: TaskState
    takeovers: int
    reason: Reason

    @property
    def attempt_runs(self) -> bool:
        """Tell whether it has not come to its end."""
        return _attempt_runs(self.attempt, self.state)


class AssignedAttempt(NamedTuple):
    """An attempt that its taskmaster has not released, as far as orders follow from it.

    Attributes:
        stop_code: Why it is to be stopped; NONE: it is not.
    """

    attempt: Attempt
    state: TaskState
    inputs_finished: bool
    outputs_finished: bool
    stop_code: ReasonCode

    @property
    def attempt_runs(self) -> bool:
        """Tell whether it has not come to its end."""
        return _attempt_runs(self.attempt.number, self.state)


class TaskSummary(NamedTuple):
    """What a MINIMAL view shows of a task, and its owner."""

    seq: int
    id: TaskId
    owner: str
    state: TaskState


class QueueHead(NamedTuple):
    """The first queued task of an owner that holds up others, and why it waits."""

    id: TaskId
    reason: Reason
    since: datetime | None


class PassedOver(NamedTuple):
    """A queued task that holds up no other, and where it is in its owner's queue."""

    owner: str
    priority: int
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingTasks:
    """How many tasks in one state wait for one cause.

    Attributes:
        oldest: When the one that has waited longest was queued, or admitted.
    """

    state: TaskState
    reason: ReasonCode
    tasks: int
    oldest: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePlace:
    """Where a queued task stands.

    Attributes:
        before: Queued tasks of the same owner that come first, without those that hold
            up no other.
        is_least: There may be more of them than were counted.
        estimate: About the how-many-th of all queued tasks it is; None if it was not
            counted.
        head: The first one of those, if there is one.
        spent: What it has waited for so far.
    """

    before: int
    is_least: bool = False
    estimate: int | None = None
    head: QueueHead | None = None
    spent: tuple[Spent, ...] = ()


class StoredExecutorLog(NamedTuple):
    """Log of one executor; ``exit_code`` None: it still runs.

    ``cpu`` and ``max_memory`` (bytes) are None where they are not known.
    """

    position: int
    started: Micros | None
    ended: Micros | None
    exit_code: int | None
    cpu: Micros | None
    max_memory: int | None
    stdout: bytes
    stderr: bytes


@dataclass(slots=True, kw_only=True)
class StoredTask:
    """All that a FULL view shows of a task.

    The store builds it row by row; it is not changed afterwards.

    Attributes:
        queued: When it was queued for its latest attempt.
        place: In the queue, if it is in one and that was asked for.
        unlisted: How many uploaded files ``outputs`` leaves out.
        size: Approximate bytes of all of it.
    """

    seq: int
    id: TaskId
    owner: str
    state: TaskState
    attempt: int
    created: Micros
    started: Micros | None
    ended: Micros | None
    reason: Reason
    document: Document
    demand: Demand
    size: int
    queued: Micros
    history: WaitHistory = NO_HISTORY
    place: QueuePlace | None = None
    unlisted: int = 0
    priority: int = 0
    executors: list[StoredExecutorLog] = field(default_factory=list)
    outputs: list[OutputFileLog] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    transfers: list[TransferStatus] = field(default_factory=list)
    input_sizes: list[InputSize] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskQuery:
    """A query for a list of tasks, newest first.

    Attributes:
        owner: None for tasks of all owners.
        tags: Pairs that must all be there; an empty value means any.
        before: Only tasks that arrived before this one.
        created_before: Only tasks that were created before this time.
        limit: Most tasks to list.
    """

    owner: str | None
    limit: int
    name_prefix: str = ""
    state: TaskState | None = None
    tags: Sequence[tuple[str, str]] = ()
    before: int | None = None
    created_before: datetime | None = None


class Oldest(NamedTuple):
    """Since when the waiting task that came first waits; when the first one ended.

    None: there is no such task.
    """

    queued_at: datetime | None
    ended_at: datetime | None


class TaskListing(NamedTuple):
    """Some tasks, newest first; ``is_truncated``: others did not fit."""

    tasks: Sequence[StoredTask]
    is_truncated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorLogChange:
    """A change of an executor's log; None keeps the stored value.

    Attributes:
        image_digest: Of the image that ran.
    """

    index: int
    started_at: datetime | None = None
    ended_at: datetime | None = None
    exit_code: int | None = None
    cpu_seconds: float | None = None
    max_memory_bytes: int | None = None
    stdout: str | None = None
    stderr: str | None = None
    image_digest: str | None = None
