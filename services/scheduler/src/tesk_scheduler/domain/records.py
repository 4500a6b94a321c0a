"""Defines a task as the scheduler stores it: fields beside an opaque document.

The document is the task as it was submitted, serialized; rules never open it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, NewType

from tesk_model.names import Attempt
from tesk_model.reasons import NO_REASON, Reason
from tesk_model.states import TaskState
from tesk_model.task import OutputFileLog, TaskId, TransferStatus
from tesk_scheduler.domain.quota import EVERYBODY, Demand, Subject, SubjectKind

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
        idempotency_key: "" for none.
        request_id: Of the call that creates it; it is not stored.
        lines: First lines of ``system_logs``.
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
    idempotency_key: str = ""
    request_id: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRecord:
    """A stored task, as far as decisions about it need it.

    Attributes:
        seq: Order of arrival, unique.
        groups: All groups of the owner when the task was created.
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
    """

    seq: int
    id: TaskId
    owner: str
    group: str | None
    demand: Demand
    state: TaskState
    queued_at: datetime
    groups: tuple[str, ...] = ()
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

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """Everyone charged for the task."""
        return subjects_of(self.owner, self.group)

    @property
    def attempt_runs(self) -> bool:
        """Tell whether the latest attempt has not come to its end."""
        return self.attempt > 0 and self.state in ACTIVE_STATES

    def is_current(self, attempt: Attempt) -> bool:
        """Tell whether ``attempt`` is the latest one and has not ended."""
        return attempt.number == self.attempt and self.attempt_runs


ACTIVE_STATES = frozenset(
    {TaskState.INITIALIZING, TaskState.RUNNING, TaskState.CANCELING}
)


def subjects_of(owner: str, group: str | None) -> tuple[Subject, ...]:
    """Return everyone charged for a task: its user, its group if any, all."""
    user = Subject(SubjectKind.USER, owner)
    if group is None:
        return (user, EVERYBODY)
    return (user, Subject(SubjectKind.GROUP, group), EVERYBODY)


class TaskSummary(NamedTuple):
    """What a MINIMAL view shows of a task, and its owner."""

    seq: int
    id: TaskId
    owner: str
    state: TaskState


class StoredExecutorLog(NamedTuple):
    """Log of one executor; ``exit_code`` None: it still runs."""

    position: int
    started: Micros | None
    ended: Micros | None
    exit_code: int | None
    stdout: bytes
    stderr: bytes


@dataclass(slots=True, kw_only=True)
class StoredTask:
    """All that a FULL view shows of a task.

    The store builds it row by row; it is not changed afterwards.

    Attributes:
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
    size: int
    unlisted: int = 0
    executors: list[StoredExecutorLog] = field(default_factory=list)
    outputs: list[OutputFileLog] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    transfers: list[TransferStatus] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskQuery:
    """A query for a list of tasks, newest first.

    Attributes:
        owner: None for tasks of all owners.
        tags: Pairs that must all be there; an empty value means any.
        before: Only tasks that arrived before this one.
        limit: Most tasks to list.
    """

    owner: str | None
    limit: int
    name_prefix: str = ""
    state: TaskState | None = None
    tags: Sequence[tuple[str, str]] = ()
    before: int | None = None


class TaskListing(NamedTuple):
    """Some tasks, newest first; ``is_truncated``: others did not fit."""

    tasks: Sequence[StoredTask]
    is_truncated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorLogChange:
    """A change of an executor's log; None keeps the stored value."""

    index: int
    started_at: datetime | None = None
    ended_at: datetime | None = None
    exit_code: int | None = None
    stdout: str | None = None
    stderr: str | None = None
