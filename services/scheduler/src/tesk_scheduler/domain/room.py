"""Tracks what all limits together leave free while admissions are planned.

The only mutable state of a plan.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tesk_model.reasons import Reason
from tesk_scheduler.domain.capacity import Capacity
from tesk_scheduler.domain.limits import format_subject
from tesk_scheduler.domain.pools import ClusterPool, Pool
from tesk_scheduler.domain.quota import (
    EVERYBODY,
    NO_LIMIT,
    Demand,
    Limit,
    Quota,
    Subject,
    SubjectKind,
    Usage,
    limit_of,
)

_NOTHING = Usage()


class Blocker(NamedTuple):
    """Why a task cannot start.

    Attributes:
        reason: What it waits for.
        shared: True if other users can free what it waits for; False if only
            its own user can.
    """

    reason: Reason
    shared: bool


class _Levels(NamedTuple):
    """The pools that one task draws from, narrowest first."""

    user: tuple[Pool, ...]
    group: tuple[Pool, ...]
    common: tuple[Pool, ...]


class Room:
    """The pools of all subjects and of the capacity."""

    def __init__(
        self,
        usage: Mapping[Subject, Usage],
        quota: Quota,
        cluster: Capacity | None = None,
    ) -> None:
        self._usage = usage
        self._quota = quota
        self._cluster = cluster
        self._pools: dict[Subject, tuple[Pool, ...]] = {}
        self._levels: dict[tuple[Subject, ...], _Levels] = {}
        # Cached by (shared subjects, demand), of those that did not fit.
        self._refused: dict[tuple[tuple[Subject, ...], Demand], Blocker] = {}

    def blocker(self, subjects: tuple[Subject, ...], demand: Demand) -> Blocker | None:
        """Return why a task cannot start now; None if it may."""
        levels = self._levels_of(subjects)
        if not _fit(levels.user, demand):
            return Blocker(_reason(levels.user, demand), shared=False)
        shape = (_sharing(subjects), demand)
        if shape not in self._refused:
            shared = levels.group + levels.common
            if _fit(shared, demand):
                return None
            self._refused[shape] = Blocker(_reason(shared, demand), shared=True)
        return self._refused[shape]

    def take(self, subjects: tuple[Subject, ...], demand: Demand) -> None:
        """Count a task as running."""
        for pools in self._levels_of(subjects):
            for pool in pools:
                pool.take(demand)

    def reserve(self, subjects: tuple[Subject, ...], demand: Demand) -> None:
        """Reserve what a blocked task needs.

        While its group is full, nothing is reserved of what all share: it would
        idle, since only other tasks of the group can free what is needed.
        """
        levels = self._levels_of(subjects)
        for pools in (levels.group, levels.common):
            enough = _fit(pools, demand)
            for pool in pools:
                pool.reserve(demand)
            if not enough:
                return

    def _levels_of(self, subjects: tuple[Subject, ...]) -> _Levels:
        levels = self._levels.get(subjects)
        if levels is None:
            by_kind: dict[SubjectKind, tuple[Pool, ...]] = {
                subject.kind: self._pools_of(subject) for subject in subjects
            }
            levels = _Levels(
                user=by_kind.get(SubjectKind.USER, ()),
                group=by_kind.get(SubjectKind.GROUP, ()),
                common=self._pools_of(EVERYBODY),
            )
            self._levels[subjects] = levels
        return levels

    def _pools_of(self, subject: Subject) -> tuple[Pool, ...]:
        if subject not in self._pools:
            limit = limit_of(subject, self._quota)
            pools: list[Pool] = [
                self._pool(subject, limit, subject_name=format_subject(subject))
            ]
            if subject.kind is SubjectKind.ALL:
                pools.append(self._pool(subject, self._quota.capacity, subject_name=""))
                if self._cluster is not None:
                    pools.append(ClusterPool.of(self._cluster))
            self._pools[subject] = tuple(
                pool for pool in pools if pool.total != NO_LIMIT
            )
        return self._pools[subject]

    def _pool(self, subject: Subject, limit: Limit, *, subject_name: str) -> Pool:
        is_group = subject.kind is SubjectKind.GROUP
        return Pool(
            subject=subject_name,
            owners=f" of {subject_name}" if is_group else "",
            total=limit,
            used=list(self._usage.get(subject, _NOTHING)),
        )


def _fit(pools: Sequence[Pool], demand: Demand) -> bool:
    return all(pool.fits(demand) for pool in pools)


def _reason(pools: Sequence[Pool], demand: Demand) -> Reason:
    """Return why ``demand`` does not fit; what is in use counts before reservations."""
    reasons = [
        *(pool.shortage(demand) for pool in pools),
        *(pool.reservation(demand) for pool in pools),
    ]
    return next(reason for reason in reasons if reason is not None)


def _sharing(subjects: tuple[Subject, ...]) -> tuple[Subject, ...]:
    return tuple(
        subject for subject in subjects if subject.kind is not SubjectKind.USER
    )
