"""Defines a task that waits, and the queue of one owner while a plan is made."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from math import inf
from typing import NamedTuple

from tesk_model.task import TaskId
from tesk_scheduler.domain.quota import Demand, Subject


class Shape(NamedTuple):
    """All that decides whether a task fits: equal shapes fit alike."""

    subjects: tuple[Subject, ...]
    demand: Demand


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedTask:
    """A task that waits.

    Attributes:
        sequence: Order of arrival.
        subjects: Everyone charged for it: its user, its group if any, all.
        queued_at: Since when it waits in this attempt.
        priority: Higher ones of the same owner come first.
        groups: All groups of the owner.
    """

    id: TaskId
    sequence: int
    owner: str
    subjects: tuple[Subject, ...]
    demand: Demand
    queued_at: datetime
    priority: int = 0
    groups: tuple[str, ...] = ()

    @property
    def shape(self) -> Shape:
        """What decides whether it fits."""
        return Shape(self.subjects, self.demand)


class OwnerQueue:
    """One owner's tasks that were read, and the one that is looked at."""

    def __init__(self, tasks: Sequence[QueuedTask], window: float = inf) -> None:
        """Begin at the first task.

        Args:
            tasks: In their order: by priority, then by arrival; at least one.
            window: If there are as many, more may follow that were not read.
        """
        self.owner = tasks[0].owner
        self.is_cut = len(tasks) >= window
        self._tasks = tasks
        self._position = 0
        self._refused: set[Shape] = set()

    @property
    def head(self) -> QueuedTask | None:
        """The task that is looked at; None at the end."""
        if self._position == len(self._tasks):
            return None
        return self._tasks[self._position]

    @property
    def refused(self) -> AbstractSet[Shape]:
        """The shapes that did not fit; the first of them is that of the first task."""
        return self._refused

    def advance(self) -> None:
        """Go on to the next task that is not like one that was refused."""
        self._position += 1
        while (head := self.head) is not None and head.shape in self._refused:
            self._position += 1

    def refuse(self) -> None:
        """Pass over the head and all that are like it."""
        if (head := self.head) is not None:
            self._refused.add(head.shape)
            self.advance()
