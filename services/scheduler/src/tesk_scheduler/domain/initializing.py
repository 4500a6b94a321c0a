"""What tasks count for that have begun, and whose first executor has not started.

Begun tasks come first: while one waits for a node that could have had one but
for tasks that were admitted after it, nothing more is admitted, so that
what becomes free is its. Two kinds count for less than they ask for:

1. One whose inputs still move, and have for long, needs no more than its filer.
   When they have arrived it counts in full again.
2. One that has waited for long although all that is in progress would fit: what
   it waits for is not there, since others' pods have it. It lets others
   pass, and counts in full again as soon as all does not fit any more: then
   it is our own tasks that it waits for. If nothing else of ours is in
   progress, nobody could end before it, and it lets others pass, too.

So tasks go on ending on nodes that are full of others' pods, and none of ours
is passed for ever.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import reduce

from tesk_scheduler.domain.capacity import Capacity
from tesk_scheduler.domain.dimensions import RUNNING
from tesk_scheduler.domain.quota import Amounts, Demand, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class InitializingTask:
    """A task in progress whose first executor has not started.

    Attributes:
        ready_at: Since when it wants its executor's pod: since it was admitted,
            or since its inputs arrived.
        moves_inputs: They have not arrived, and its filer has said how far it is.
    """

    demand: Demand
    ready_at: datetime
    moves_inputs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Commitments:
    """What the tasks in progress take.

    Attributes:
        counted: Of all but ``begun``: each what it asks for, or a filer's pod.
        begun: Those that were admitted long ago and have not started.
    """

    counted: Usage
    begun: Sequence[InitializingTask]


def with_initializing(
    capacity: Capacity, commitments: Commitments, *, stuck_since: datetime
) -> Capacity:
    """Return ``capacity``, in which ``counted`` is in use, with those begun as well.

    Args:
        capacity: Of the cluster.
        commitments: What is in progress.
        stuck_since: Who is ready since before waits for long.
    """
    begun = commitments.begun
    waiting = [task for task in begun if not task.moves_inputs]
    fresh = [task for task in waiting if task.ready_at >= stuck_since]
    stuck = [
        task
        for task in waiting
        if task.ready_at < stuck_since and not capacity.misfit(task.demand)
    ]
    lends = len(begun) - len(fresh) - len(stuck)
    used = capacity.used.plus(capacity.least, times=lends)
    used = _with(used, fresh, capacity)
    all_in_full = _with(used, stuck, capacity)
    is_alone = not fresh and not commitments.counted[RUNNING]
    if is_alone or all_in_full.fits(capacity.most):
        return replace(capacity, used=used.plus(capacity.least, times=len(stuck)))
    return replace(capacity, used=all_in_full)


def _with(
    used: Amounts, tasks: Iterable[InitializingTask], capacity: Capacity
) -> Amounts:
    largest = (task.demand.at_least(capacity.least) for task in tasks)
    return reduce(Amounts.plus, largest, used)
