"""Keeps a task that needs much from being passed for ever by those that need little.

The first task of an owner that does not fit may be passed for as long as
``reserve_after``. From then on it is overdue, and what it needs is reserved until it
fits. If it waits for what others use, it also comes before others. The time counts
from when the task became the first of its owner and did not fit: were it the age of
the task, the owner of a long backlog would be first for ever.

A task that waits for the limit of its own user reserves of that limit alone, and
comes when its owner is next: its owner would else be first with every task.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tesk_model.task import TaskId


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """First tasks of their owners that do not fit, and since when.

    Attributes:
        shared: For what others use.
        own: For the limit of their own user.
    """

    shared: Mapping[TaskId, datetime] = field(default_factory=dict)
    own: Mapping[TaskId, datetime] = field(default_factory=dict)


class StarvationGuard:
    """Tells which tasks are overdue, and notes who waits."""

    def __init__(
        self, before: Waits, *, reserve_after: timedelta, now: datetime
    ) -> None:
        """Begin a plan.

        Args:
            before: What the plan before noted.
            reserve_after: See the module.
            now: The time; aware.
        """
        self._before = before
        self._reserve_after = reserve_after
        self._now = now
        self._shared: dict[TaskId, datetime] = {}
        self._own: dict[TaskId, datetime] = {}

    def overdue_since(self, task_id: TaskId) -> datetime | None:
        """Return since when a task has waited for others if it is overdue."""
        since = self._before.shared.get(task_id)
        return since if since is not None and self._is_overdue(since) else None

    def note(self, task_id: TaskId, *, shared: bool) -> bool:
        """Note that a first task does not fit; return whether it is overdue."""
        before = self._before.shared if shared else self._before.own
        # The clock may have been set back.
        since = min(before.get(task_id, self._now), self._now)
        (self._shared if shared else self._own)[task_id] = since
        return self._is_overdue(since)

    def forget(self, task_id: TaskId) -> None:
        """Note that a task starts."""
        self._shared.pop(task_id, None)

    def waits(self) -> Waits:
        """Return what was noted, for the next plan."""
        return Waits(shared=self._shared, own=self._own)

    def _is_overdue(self, since: datetime) -> bool:
        return self._now - since >= self._reserve_after
