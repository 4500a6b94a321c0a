"""Lists the limits that a task would count against, whether or not they leave room."""

from collections.abc import Iterator, Mapping, Sequence
from math import inf
from typing import NamedTuple

from tesk_model.task_checks import LimitUse
from tesk_model.waits import WaitScope
from tesk_scheduler.domain.capacity import Capacity
from tesk_scheduler.domain.charging import limit_of
from tesk_scheduler.domain.dimensions import DIMENSIONS
from tesk_scheduler.domain.quota import (
    EVERYBODY,
    Amounts,
    Demand,
    Quota,
    Subject,
    Usage,
)

TASK_SCOPE = "task"
"""Scope of the most that any one task may have."""


class _Bound(NamedTuple):
    """A limit: whose, of what, and what of it is in use; None: nothing is counted."""

    scope: str
    limit: Amounts
    used: Amounts | None
    needed: Amounts
    subject: Subject = EVERYBODY


def limit_uses(
    demand: Demand,
    subjects: Sequence[Subject],
    *,
    usage: Mapping[Subject, Usage],
    quota: Quota,
    cluster: Capacity | None,
) -> tuple[LimitUse, ...]:
    """Return every finite limit of what a task asks for, narrowest first.

    Args:
        demand: Of the task.
        subjects: Everyone who is charged for it.
        usage: Of subjects; one that is absent uses nothing.
        quota: The limits.
        cluster: What it has, where tasks run on one.
    """
    needed = demand.plus(Amounts(queued=1))
    bounds = [_Bound(TASK_SCOPE, quota.per_task, None, demand)]
    bounds += [
        _Bound(
            WaitScope(subject.kind.value).value,
            limit_of(subject, quota),
            usage.get(subject, Usage()),
            needed,
            subject,
        )
        for subject in subjects
    ]
    capacity = WaitScope.CAPACITY.value
    everybody = usage.get(EVERYBODY, Usage())
    bounds.append(_Bound(capacity, quota.capacity, everybody, demand))
    if cluster is not None:
        asked = demand.at_least(cluster.minimum)
        bounds.append(_Bound(capacity, cluster.total, cluster.used, asked))
    return tuple(use for bound in bounds for use in _uses(bound))


def _uses(bound: _Bound) -> Iterator[LimitUse]:
    for each in DIMENSIONS:
        limit, needed = bound.limit[each], bound.needed[each]
        if limit == inf or not needed:
            continue
        number = each.unit.number
        gpu_type = bound.subject.gpu_type
        yield LimitUse(
            scope=bound.scope,
            subject=bound.subject.name or None,
            dimension=f"gpu_types.{gpu_type}" if gpu_type else each.setting,
            used=None if bound.used is None else number(bound.used[each]),
            limit=number(limit),
            needed=number(needed),
        )
