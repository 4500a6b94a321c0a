"""Decides which queued tasks operators hold back; pure.

A hold keeps tasks from being admitted: all of them, those of a user, of a group or of
a namespace. What has been admitted goes on. A task is held by a group if its owner
is in it, whichever of the owner's groups is charged.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from tesk_model.reasons import Reason, ReasonCode
from tesk_model.task import TaskId
from tesk_model.waits import WaitDetails, WaitScope
from tesk_scheduler.domain.limits import format_subject
from tesk_scheduler.domain.quota import EVERYBODY, Subject, SubjectKind

# Far above what people decide one by one.
MAX_HOLDS = 1000
MAX_REASON = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One subject whose tasks are not admitted.

    Attributes:
        reason: For users, one line.
        operator: Who holds it.
        since: When that began.
    """

    subject: Subject
    reason: str
    operator: str
    since: datetime


class Holdable(Protocol):
    """A task, as far as holds concern it."""

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """Everyone charged for it."""

    @property
    def groups(self) -> tuple[str, ...]:
        """All groups of its owner."""


class HeldTask(Holdable, Protocol):
    """A task with its id."""

    @property
    def id(self) -> TaskId:
        """Its id."""


class Holds:
    """All holds that are in force; false if there are none."""

    def __init__(self, holds: Iterable[Hold] = ()) -> None:
        self._by_subject = {hold.subject: hold for hold in holds}

    def __bool__(self) -> bool:
        return bool(self._by_subject)

    @property
    def everything(self) -> Hold | None:
        """The hold of all tasks."""
        return self._by_subject.get(EVERYBODY)

    def hold_of(self, task: Holdable) -> Hold | None:
        """Return what holds a task: of several the most general one."""
        if not self._by_subject:
            return None
        groups = [Subject(SubjectKind.GROUP, name) for name in task.groups]
        candidates = (EVERYBODY, *task.subjects, *groups)
        return next(filter(None, map(self._by_subject.get, candidates)), None)

    def reason(self, task: Holdable) -> Reason | None:
        """Return why a task is not admitted; None if nothing holds it."""
        hold = self.hold_of(task)
        return None if hold is None else reason_of_hold(hold)


TaskT = TypeVar("TaskT", bound=HeldTask)


@dataclass(frozen=True, slots=True)
class SiftedQueues(Generic[TaskT]):
    """Queues without what is held.

    Attributes:
        queues: What is left of each.
        reasons: Why what is missing in them waits.
        skipped: What is held although later tasks of its owner may not be: in other
            namespaces.
    """

    queues: Sequence[Sequence[TaskT]]
    reasons: Mapping[TaskId, Reason]
    skipped: frozenset[TaskId]


def without_held(
    queues: Iterable[Sequence[TaskT]], holds: Holds
) -> SiftedQueues[TaskT]:
    """Take out of queues what is held."""
    if not holds:
        return SiftedQueues(list(queues), {}, frozenset())
    left: list[Sequence[TaskT]] = []
    held: dict[TaskId, Hold] = {}
    for tasks in queues:
        found = {task.id: hold for task in tasks if (hold := holds.hold_of(task))}
        held |= found
        left.append([task for task in tasks if task.id not in found])
    return SiftedQueues(
        left,
        {task_id: reason_of_hold(hold) for task_id, hold in held.items()},
        frozenset(
            task_id
            for task_id, hold in held.items()
            if hold.subject.kind is SubjectKind.NAMESPACE
        ),
    )


def reason_of_hold(hold: Hold) -> Reason:
    """Return why the tasks of a hold wait."""
    details = WaitDetails(scope=WaitScope.HOLD, subject=hold.subject.name)
    return Reason(ReasonCode.HELD, format_hold(hold), details)


def format_hold(hold: Hold) -> str:
    """Format a hold for users: ``tasks of alice are held by an operator: …``."""
    if hold.subject == EVERYBODY:
        return f"all tasks are held by an operator: {hold.reason}"
    whose = format_subject(hold.subject)
    return f"tasks of {whose} are held by an operator: {hold.reason}"
