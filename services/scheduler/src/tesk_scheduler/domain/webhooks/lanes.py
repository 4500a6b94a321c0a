"""Decides how many tries may run at once, so that no receiver takes what others need.

Each destination is in one of four lanes: of the operator's targets or of receivers that
tasks name, and each of them healthy or failing. A lane has slots of its own. A
destination begins with one try at a time and gets more when one has succeeded.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

_PER_DESTINATION = 4
_MOST_PROVEN = 10_000


class Lane(NamedTuple):
    """Destinations that share slots."""

    of_tasks: bool
    failing: bool


LANES = tuple(
    Lane(of_tasks=of_tasks, failing=failing)
    for of_tasks in (False, True)
    for failing in (False, True)
)


def slots_of(parallel: int) -> Mapping[Lane, int]:
    """Divide tries at once: most for the operator's targets that are healthy."""
    return {
        lane: max(1, parallel // (4 if lane.failing else 2 if lane.of_tasks else 1))
        for lane in LANES
    }


@dataclass(slots=True)
class Running:
    """What is being tried; of one thread.

    Attributes:
        slots: Of each lane.
    """

    slots: Mapping[Lane, int]
    _lanes: Counter[Lane] = field(default_factory=Counter)
    _tasks: dict[str, dict[str, Lane]] = field(default_factory=dict)
    _proven: set[str] = field(default_factory=set)

    def __len__(self) -> int:
        """Return how many tries run."""
        return sum(self._lanes.values())

    def free(self, lane: Lane) -> int:
        """Return how many more tries may start in a lane."""
        return max(0, self.slots[lane] - self._lanes[lane])

    def room(self, destination: str, lane: Lane) -> int:
        """Return how many more tries may start for a destination of a lane."""
        is_proven = destination in self._proven and not lane.failing
        most = _PER_DESTINATION if is_proven else 1
        return min(self.free(lane), max(0, most - len(self.tasks(destination))))

    def tasks(self, destination: str) -> tuple[str, ...]:
        """Return the tasks of which an event is being sent there."""
        return tuple(self._tasks.get(destination, ()))

    def full(self, lane: Lane) -> Iterator[str]:
        """Yield destinations for which nothing more may start."""
        return (each for each in self._tasks if self.room(each, lane) == 0)

    def start(self, destination: str, task_id: str, lane: Lane) -> None:
        """Note that a try begins."""
        self._tasks.setdefault(destination, {})[task_id] = lane
        self._lanes[lane] += 1

    def end(self, destination: str, task_id: str, *, reached: bool) -> None:
        """Note that a try has ended, and whether the destination was there."""
        tasks = self._tasks[destination]
        self._lanes[tasks.pop(task_id)] -= 1
        if not tasks:
            del self._tasks[destination]
        if not reached:
            self._proven.discard(destination)
        elif len(self._proven) < _MOST_PROVEN:
            self._proven.add(destination)
