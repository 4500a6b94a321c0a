"""Estimates where a queued task stands among those of all owners.

From the counters of usage, never from the tasks: with fair shares the k-th task of an
owner of weight w comes after about k·v/w tasks of each other owner of weight v, or all
of them if they are fewer. Sizes, limits and what each has used lately move it, so it is
said as an estimate.
"""

from collections.abc import Callable, Mapping
from math import inf


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
