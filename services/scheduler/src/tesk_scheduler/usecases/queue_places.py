"""Finds out where queued tasks stand, for who asks why one waits."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from tesk_model.reasons import Reason, ReasonCode
from tesk_model.states import TaskState
from tesk_scheduler.domain.charging import share_of
from tesk_scheduler.domain.dimensions import QUEUED
from tesk_scheduler.domain.queue_places import PassedTasks, estimate_place
from tesk_scheduler.domain.quota import Subject, SubjectKind
from tesk_scheduler.domain.records import (
    QueueHead,
    QueuePlace,
    StoredTask,
    TaskSummary,
)
from tesk_scheduler.domain.waits import Spent, total_spent
from tesk_scheduler.ports.environment import Clock
from tesk_scheduler.ports.quota import QuotaSource
from tesk_scheduler.ports.store import TaskStore

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MANY = 1000
_MOST_HEADS = 50
_MOST_PLACES = 100  # of a page: each is counted by itself
# Of all owners: read at once, every few seconds.
_MOST_PASSED = 10_000
# Seconds: an estimate need not be newer, and many ask for many tasks.
_COUNTERS_LAST = 2.0


class _Counted(NamedTuple):
    """What was read of all owners: when, tasks that wait by owner, and who is passed."""

    at: float
    queued: Mapping[str, float]
    passed: PassedTasks


@dataclass(slots=True, kw_only=True)
class QueuePlaces:
    """Adds their place and, where none is stored, the reason to queued tasks.

    Attributes:
        quotas: Has the weights of fair shares.
    """

    store: TaskStore
    clock: Clock
    quotas: QuotaSource
    _counted: _Counted | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def place_of_next(self, owner: str, queued: int) -> QueuePlace:
        """Return where a task of the usual priority would stand if it came now.

        Args:
            owner: Of the task.
            queued: Number of the owner's tasks that are queued.
        """
        before = max(0, queued - self._counts().passed.count(owner))
        return QueuePlace(
            before=before,
            estimate=self._estimate(owner, before + 1),
            head=self.store.queue_head(owner) if before else None,
        )

    def explained(self, task: StoredTask) -> StoredTask:
        """Return a task with its place if it is queued; others as they are."""
        if task.state is not TaskState.QUEUED:
            return task
        place = self._place_of(task, self.store.queue_head(task.owner))
        place = replace(place, spent=self._spent(task))
        return _with_place(task, place, place.head)

    def explained_together(
        self, tasks: Sequence[TaskSummary | StoredTask]
    ) -> list[TaskSummary | StoredTask]:
        """Return tasks with the reason and the place of those that are queued.

        A page may hold thousands: the places of the first hundred are counted. What
        comes first is read once for each owner, and of very many owners not for all.
        """
        heads: dict[str, QueueHead | None] = {}
        answers: list[TaskSummary | StoredTask] = []
        places = 0
        for task in tasks:
            if isinstance(task, TaskSummary) or task.state is not TaskState.QUEUED:
                answers.append(task)
                continue
            if task.owner not in heads and len(heads) < _MOST_HEADS:
                heads[task.owner] = self.store.queue_head(task.owner)
            head = heads.get(task.owner)
            place = self._place_of(task, head) if places < _MOST_PLACES else None
            places += 1
            answers.append(_with_place(task, place, head))
        return answers

    def _place_of(self, task: StoredTask, head: QueueHead | None) -> QueuePlace:
        passed = self._counts().passed.count_before(task.owner, task.priority, task.seq)
        counted = self.store.count_queued_before(
            task.owner, task.seq, limit=_MANY + passed
        )
        before = max(0, counted - passed)
        is_exact = before < _MANY
        return QueuePlace(
            before=before,
            is_least=not is_exact,
            estimate=self._estimate(task.owner, before + 1) if is_exact else None,
            head=head if before and head and head.id != task.id else None,
        )

    def _estimate(self, owner: str, position: int) -> int | None:
        quota = self.quotas.current()
        if not quota.fair_share.is_enabled:
            return None  # all owners together, first in, first out: not counted
        return estimate_place(
            position,
            owner,
            queued=self._counts().queued,
            weight_of=lambda name: (
                share_of(Subject(SubjectKind.USER, name), quota).weight
            ),
        )

    def _spent(self, task: StoredTask) -> tuple[Spent, ...]:
        began = _EPOCH + timedelta(microseconds=task.queued)
        return total_spent(
            task.history.spent, task.reason, queued=self.clock.now() - began
        )

    def _counts(self) -> _Counted:
        with self._lock:
            now = self.clock.monotonic()
            if self._counted is None or now - self._counted.at >= _COUNTERS_LAST:
                self._counted = self._count(now)
            return self._counted

    def _count(self, now: float) -> _Counted:
        passed = PassedTasks(self.store.passed_over(_MOST_PASSED))
        queued = {
            subject.name: max(0, used[QUEUED] - passed.count(subject.name))
            for subject, used in self.store.usage_of_all().items()
            if subject.kind is SubjectKind.USER
            and not subject.gpu_type
            and used[QUEUED] > 0
        }
        return _Counted(now, queued, passed)


def _with_place(
    task: StoredTask, place: QueuePlace | None, head: QueueHead | None
) -> StoredTask:
    """Return a queued task with its place, and a reason if none is stored."""
    if task.reason.text:
        return replace(task, place=place)
    if place is None:
        text = format_behind(head, task)
    else:
        text = format_queue_position(place, task.owner)
    reason = Reason(ReasonCode.ADMISSION_PENDING, text)
    return replace(task, place=place, reason=reason)


def format_behind(head: QueueHead | None, task: StoredTask) -> str:
    """Format that a task is not the first of its owner, without counting."""
    if head is None or head.id == task.id:
        return "waiting for admission"
    whose = f" of {task.owner}" if task.owner else ""
    text = f"waiting behind earlier tasks{whose}"
    first = head.reason.text
    return f"{text}; the first of them: {first}" if first else text


def format_queue_position(place: QueuePlace, owner: str) -> str:
    """Format what comes first: ``waiting behind 3 tasks of alice; …``."""
    before = place.before
    if not before:
        return "waiting for admission"
    count = f"{before} or more" if place.is_least else str(before)
    whose = f" of {owner}" if owner else ""
    text = f"waiting behind {count} task{'' if before == 1 else 's'}{whose}"
    first = place.head.reason.text if place.head else ""
    return f"{text}; the first of them: {first}" if first else text
