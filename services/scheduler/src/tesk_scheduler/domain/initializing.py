"""Computes what initializing tasks count for: admitted, no executor started yet.

An initializing task comes before queued ones: while it waits for a node that it
would have, were it not for tasks admitted after it, nothing more is admitted, so
that it gets what becomes free. Two kinds count for less than they ask for:

1. One whose inputs have been moving for long needs no more than its filer. When
   they have arrived it counts in full again.
2. One that is stuck: it has waited for long although everything in progress
   would fit, so pods of others have what it needs. It lets others pass, and
   counts in full again as soon as not everything fits any more: then it waits
   for TESK's own tasks. If no other task is in progress, none could end before
   it, and it lets others pass, too.

So tasks go on ending on nodes that are full of others' pods, and no task is
passed for ever.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import reduce

from tesk_scheduler.domain.capacity import Capacity
from tesk_scheduler.domain.dimensions import RUNNING
from tesk_scheduler.domain.quota import Amounts, Demand, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class InitializingTask:
    """A task in progress whose first executor has not started.

    Attributes:
        ready_at: When it was admitted or, if later, its inputs arrived: since
            then it waits for its executor's pod.
        moves_inputs: They have not arrived, and its filer has reported progress.
    """

    demand: Demand
    ready_at: datetime
    moves_inputs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Commitments:
    """What the tasks in progress take.

    Attributes:
        counted: By all but ``initializing``: each what it asks for, or a filer's pod.
        initializing: Those that were admitted long ago and have not started.
        gpus: What all of them take, of those that ask for a type of GPU, by type.
    """

    counted: Usage
    initializing: Sequence[InitializingTask]
    gpus: Mapping[str, int] = field(default_factory=dict)


def with_initializing(
    capacity: Capacity, commitments: Commitments, *, stuck_since: datetime
) -> Capacity:
    """Return ``capacity``, which holds ``counted``, with the initializing tasks as well.

    Args:
        capacity: Of the cluster.
        commitments: What is in progress.
        stuck_since: A task that was ready before this has waited for long.
    """
    initializing = commitments.initializing
    waiting = [task for task in initializing if not task.moves_inputs]
    fresh = [task for task in waiting if task.ready_at >= stuck_since]
    stuck = [
        task
        for task in waiting
        if task.ready_at < stuck_since and not capacity.misfit(task.demand)
    ]
    reduced = len(initializing) - len(fresh) - len(stuck)
    used = capacity.used.plus(capacity.minimum, times=reduced)
    used = _plus_each(used, fresh, capacity)
    in_full = _plus_each(used, stuck, capacity)
    is_alone = not fresh and not commitments.counted[RUNNING]
    if is_alone or in_full.fits(capacity.total):
        return replace(capacity, used=used.plus(capacity.minimum, times=len(stuck)))
    return replace(capacity, used=in_full)


def _plus_each(
    used: Amounts, tasks: Iterable[InitializingTask], capacity: Capacity
) -> Amounts:
    largest = (task.demand.at_least(capacity.minimum) for task in tasks)
    return reduce(Amounts.plus, largest, used)
