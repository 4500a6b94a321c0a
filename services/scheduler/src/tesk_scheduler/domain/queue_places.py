"""Estimates where a queued task stands among those of all owners.

From the counters of usage, never from the tasks: with fair shares the k-th task of an
owner of weight w comes after about k·v/w tasks of each other owner of weight v, or all
of them if they are fewer. Sizes, limits and what each has used lately move it, so it is
said as an estimate.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf

from tesk_model.reasons import ReasonCode
from tesk_scheduler.domain.records import PassedOver

HOLDING_UP_NOBODY = frozenset(
    {ReasonCode.LIMIT_EXCEEDED, ReasonCode.NODES_TOO_SMALL, ReasonCode.RETRY_BACKOFF}
)
"""What a task waits for while later tasks of its owner are admitted."""


class PassedTasks:
    """Queued tasks that hold up no other: nobody waits behind them."""

    def __init__(self, tasks: Iterable[PassedOver] = ()) -> None:
        self._places: dict[str, list[tuple[int, int]]] = {}
        for task in tasks:
            place = (-task.priority, task.seq)
            self._places.setdefault(task.owner, []).append(place)
        for places in self._places.values():
            places.sort()

    def count(self, owner: str) -> int:
        """Count those of an owner."""
        return len(self._of(owner))

    def count_before(self, owner: str, priority: int, seq: int) -> int:
        """Count those that come before a task."""
        return bisect_left(self._of(owner), (-priority, seq))

    def _of(self, owner: str) -> Sequence[tuple[int, int]]:
        return self._places.get(owner, ())


def estimate_place(
    position: int,
    owner: str,
    *,
    queued: Mapping[str, float],
    weight_of: Callable[[str], float],
) -> int:
    """Return about which of all queued tasks a task is, from 1.

    Args:
        position: Among the queued tasks of its owner, from 1.
        owner: Of the task.
        queued: Number of queued tasks by owner.
        weight_of: Weight of an owner's share; 0: after all others.
    """
    own = weight_of(owner)
    others = (
        min(count, _turns(position, own=own, other=weight_of(name)))
        for name, count in queued.items()
        if name != owner
    )
    return position + int(sum(others))


def _turns(position: int, *, own: float, other: float) -> float:
    """Return how many tasks of another owner start before the ``position``-th."""
    if own:
        return position * other // own
    return inf if other else position
