"""Computes what a change of state does to the counters of usage.

A waiting task counts as queued; from admission to its final state it counts
as running and takes what it demands.
"""

from collections.abc import Iterable

from tesk_model.states import TaskState
from tesk_scheduler.domain.quota import Amounts, Demand, Subject
from tesk_scheduler.domain.records import ACTIVE_STATES, NewTask, TaskRecord

_NOTHING = Amounts()
_WAITS = Amounts(queued=1)


def charge(state: TaskState, demand: Demand) -> Amounts:
    """Return the usage of a task in ``state``."""
    if state is TaskState.QUEUED:
        return _WAITS
    return demand if state in ACTIVE_STATES else _NOTHING


class UsageLedger:
    """Adds up the changes of usage of one unit of work, by subject."""

    def __init__(self) -> None:
        self._changes: dict[Subject, Amounts] = {}

    def created(self, task: NewTask) -> None:
        """Count one new task."""
        self._add(task.subjects, _WAITS)

    def imported(
        self, subjects: Iterable[Subject], state: TaskState, demand: Demand
    ) -> None:
        """Count a task that comes in its state."""
        self._add(subjects, charge(state, demand))

    def changed(self, before: TaskRecord, after: TaskRecord) -> None:
        """Count the change of a task."""
        if before.state is not after.state:
            now = charge(after.state, after.demand)
            change = now.plus(charge(before.state, before.demand), times=-1)
            self._add(after.subjects, change)

    def changes(self) -> list[tuple[Subject, Amounts]]:
        """List the changes that are not zero."""
        return [pair for pair in self._changes.items() if pair[1] != _NOTHING]

    def _add(self, subjects: Iterable[Subject], change: Amounts) -> None:
        for subject in subjects:
            self._changes[subject] = self._changes.get(subject, _NOTHING).plus(change)
