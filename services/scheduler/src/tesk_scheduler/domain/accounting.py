"""What a change of state does to the counters of usage.

A waiting task counts as queued; from admission to its final state it counts
as running and takes what it demands.
"""

from collections.abc import Iterable
from typing import NamedTuple

from tesk_model.states import TaskState
from tesk_scheduler.domain.quota import Demand, Subject
from tesk_scheduler.domain.records import ACTIVE_STATES, TaskRecord, subjects_of


class UsageChange(NamedTuple):
    """Amounts to add to the counters of a subject; may be negative."""

    running: int = 0
    queued: int = 0
    cpu_millis: int = 0
    ram: int = 0
    disk: int = 0

    def plus(self, other: "UsageChange") -> "UsageChange":
        """Add up two changes."""
        return UsageChange(*(a + b for a, b in zip(self, other, strict=True)))

    def minus(self, other: "UsageChange") -> "UsageChange":
        """Take ``other`` away."""
        return UsageChange(*(a - b for a, b in zip(self, other, strict=True)))


NOTHING = UsageChange()


def charge(state: TaskState, demand: Demand) -> UsageChange:
    """Return what a task in ``state`` counts for."""
    if state is TaskState.QUEUED:
        return UsageChange(queued=1)
    if state in ACTIVE_STATES:
        return UsageChange(
            running=1, cpu_millis=demand.cpu_millis, ram=demand.ram, disk=demand.disk
        )
    return NOTHING


class Ledger:
    """Adds up the changes of one unit of work, by subject."""

    def __init__(self) -> None:
        self._changes: dict[Subject, UsageChange] = {}

    def created(self, owner: str, group: str | None) -> None:
        """Count one new task."""
        self._add(subjects_of(owner, group), UsageChange(queued=1))

    def changed(self, before: TaskRecord, after: TaskRecord) -> None:
        """Count what a change of a task means."""
        if before.state is not after.state:
            change = charge(after.state, after.demand).minus(
                charge(before.state, before.demand)
            )
            self._add(after.subjects, change)

    def changes(self) -> list[tuple[Subject, UsageChange]]:
        """List what is not nothing, in one order for everybody.

        The order keeps concurrent transactions from blocking each other.
        """
        return sorted(
            (subject, change)
            for subject, change in self._changes.items()
            if change != NOTHING
        )

    def _add(self, subjects: Iterable[Subject], change: UsageChange) -> None:
        for subject in subjects:
            self._changes[subject] = self._changes.get(subject, NOTHING).plus(change)
