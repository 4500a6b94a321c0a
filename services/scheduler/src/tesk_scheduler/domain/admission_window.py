"""Decides how many tasks of each owner a round of admission reads."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from tesk_model.task import TaskId
from tesk_scheduler.domain.dimensions import QUEUED
from tesk_scheduler.domain.queues import QueuedTask
from tesk_scheduler.domain.quota import Subject, SubjectKind, Usage

_MIN = 4
_MAX = 100
_LARGEST = 6400


@dataclass(frozen=True, slots=True)
class AdmissionWindow:
    """The window, which grows while tasks that cannot run hide those behind them."""

    factor: int = 1

    def size(self, usage: Mapping[Subject, Usage], free_slots: int) -> int:
        """Return how many tasks of each owner to read: enough to fill the free slots.

        Later ones are read in the next round, which follows at once if this one
        admitted a task.
        """
        owners = sum(
            1
            for subject, used in usage.items()
            if subject.kind is SubjectKind.USER
            and not subject.gpu_type
            and used[QUEUED]
        )
        share = 2 * free_slots // max(1, owners)
        return min(max(_MIN, min(share, _MAX)) * self.factor, _LARGEST)

    def after(
        self,
        queues: Sequence[Sequence[QueuedTask]],
        size: int,
        skipped: AbstractSet[TaskId],
    ) -> "AdmissionWindow":
        """Return the next window: a larger one if none that was read of an owner can run.

        Args:
            queues: What was read.
            size: How many were to be read of each owner.
            skipped: The tasks that cannot run.
        """
        if any(len(tasks) >= size and tasks[-1].id in skipped for tasks in queues):
            return AdmissionWindow(min(2 * self.factor, _LARGEST))
        return self if skipped else AdmissionWindow()
