"""Computes what a change of state does to the counters of usage.

A waiting task counts as queued; from admission to its final state it counts
as running and takes what it demands.
"""

from collections.abc import Iterable

from tesk_model.states import TaskState
from tesk_scheduler.domain.quota import Amounts, Demand, Subject
from tesk_scheduler.domain.records import ACTIVE_STATES, TaskRecord, subjects_of

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

    def created(self, owner: str, group: str | None) -> None:
        """Count one new task."""
        self._add(subjects_of(owner, group), _WAITS)

    def changed(self, before: TaskRecord, after: TaskRecord) -> None:
        """Count the change of a task."""
        if before.state is not after.state:
            now = charge(after.state, after.demand)
            change = now.plus(charge(before.state, before.demand), times=-1)
            self._add(after.subjects, change)

    def changes(self) -> list[tuple[Subject, Amounts]]:
        """List the non-zero changes, in the same order in every transaction.

        The order keeps concurrent transactions from blocking each other.
        """
        return sorted(
            (subject, change)
            for subject, change in self._changes.items()
            if change != _NOTHING
        )

    def _add(self, subjects: Iterable[Subject], change: Amounts) -> None:
        for subject in subjects:
            self._changes[subject] = self._changes.get(subject, _NOTHING).plus(change)
