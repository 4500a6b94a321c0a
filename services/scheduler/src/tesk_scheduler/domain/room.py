"""Tracks what all limits together leave free while admissions are planned.

The only mutable state of a plan.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from tesk_model.reasons import Reason
from tesk_model.waits import WaitScope
from tesk_scheduler.domain.capacity import Capacity
from tesk_scheduler.domain.charging import limit_of
from tesk_scheduler.domain.guarantees import Guarantees
from tesk_scheduler.domain.limits import format_subject
from tesk_scheduler.domain.pools import ClusterPool, Pool
from tesk_scheduler.domain.quota import (
    NO_LIMIT,
    NOTHING,
    Amounts,
    Demand,
    Limit,
    Quota,
    Subject,
    SubjectKind,
    Usage,
)

_NARROWEST_FIRST = (
    SubjectKind.USER,
    SubjectKind.GROUP,
    SubjectKind.NAMESPACE,
    SubjectKind.ALL,
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
    """The pools that one task draws from, narrowest first.

    Attributes:
        user: That only tasks of its user draw from.
        shared: Of its group, its namespace, and of all: the last.
    """

    user: tuple[Pool, ...]
    shared: tuple[tuple[Pool, ...], ...]


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
        self._guarantees = Guarantees(usage, quota)
        self._pools: dict[Subject, tuple[Pool, ...]] = {}
        self._levels: dict[tuple[Subject, ...], _Levels] = {}
        # Cached by (subjects that matter, demand), of those that did not fit.
        self._refused: dict[tuple[tuple[Subject, ...], Demand], Blocker] = {}

    def blocker(self, subjects: tuple[Subject, ...], demand: Demand) -> Blocker | None:
        """Return why a task cannot start now; None if it may."""
        levels = self._levels_of(subjects)
        if not _fit(levels.user, demand):
            return Blocker(_reason(levels.user, demand), shared=False)
        shape = (self._sharing(subjects), demand)
        if shape not in self._refused:
            kept = self._guarantees.kept_from(subjects)
            *narrow, common = levels.shared
            pools = tuple(chain.from_iterable(narrow))
            if _fit(pools, demand) and _fit(common, demand, kept):
                return None
            reason = _reason(pools, demand, common=common, kept=kept)
            self._refused[shape] = Blocker(reason, shared=True)
        return self._refused[shape]

    def shares(self, subjects: tuple[Subject, ...], demand: Demand) -> bool:
        """Tell whether so much is free of all that these subjects share with others.

        If not after a task of theirs was taken, another that fitted before may not fit.
        """
        return all(_fit(pools, demand) for pools in self._levels_of(subjects).shared)

    def fits_guaranteed(self, subjects: tuple[Subject, ...], demand: Demand) -> bool:
        """Tell whether a task is within what is guaranteed to its user or its group."""
        return self._guarantees.fit(subjects, demand)

    def take(self, subjects: tuple[Subject, ...], demand: Demand) -> None:
        """Count a task as running."""
        levels = self._levels_of(subjects)
        for pool in chain(levels.user, *levels.shared):
            pool.take(demand)
        self._guarantees.take(subjects, demand)
        if len(self._guarantees.keep_for(subjects)) > 1:
            # What was kept twice is now free for others: they may fit again.
            self._refused.clear()

    def reserve(self, subjects: tuple[Subject, ...], demand: Demand) -> None:
        """Reserve what a blocked task needs.

        While its group is full, nothing is reserved of what all share: it would
        idle, since only other tasks of the group can free what is needed. So it
        is with its namespace and, first of all, with its user.
        """
        levels = self._levels_of(subjects)
        for pools in (levels.user, *levels.shared):
            enough = _fit(pools, demand)
            for pool in pools:
                pool.reserve(demand)
            if not enough:
                return

    def _levels_of(self, subjects: tuple[Subject, ...]) -> _Levels:
        levels = self._levels.get(subjects)
        if levels is None:
            user, *shared = (
                tuple(chain.from_iterable(map(self._pools_of, _of(subjects, kind))))
                for kind in _NARROWEST_FIRST
            )
            levels = _Levels(user, tuple(shared))
            self._levels[subjects] = levels
        return levels

    def _pools_of(self, subject: Subject) -> tuple[Pool, ...]:
        if subject not in self._pools:
            limit = limit_of(subject, self._quota)
            pools = [self._pool(subject, limit, subject_name=format_subject(subject))]
            if subject.kind is SubjectKind.ALL:
                total = self._capacity_of(subject)
                pools.append(self._pool(subject, total, subject_name=""))
                pools += self._cluster_pools(subject)
            self._pools[subject] = tuple(
                pool for pool in pools if pool.total != NO_LIMIT
            )
        return self._pools[subject]

    def _capacity_of(self, subject: Subject) -> Limit:
        if subject.gpu_type:
            return Limit(gpu=self._quota.capacity_gpu_types.get(subject.gpu_type))
        return self._quota.capacity

    def _cluster_pools(self, subject: Subject) -> list[Pool]:
        if self._cluster is None:
            return []
        if not subject.gpu_type:
            return [ClusterPool.of(self._cluster)]
        gpus = self._cluster.gpu_types.get(subject.gpu_type)
        if gpus is None:
            return []
        pool = self._pool(subject, Limit(gpu=gpus.total), subject_name="")
        pool.used = list(Usage(gpu=gpus.used))
        return [pool]

    def _pool(self, subject: Subject, limit: Limit, *, subject_name: str) -> Pool:
        scope = WaitScope(subject.kind.value) if subject_name else WaitScope.CAPACITY
        is_part = subject.kind in (SubjectKind.GROUP, SubjectKind.NAMESPACE)
        return Pool(
            scope=scope,
            name=subject.name,
            subject=subject_name,
            owners=f" of {subject_name}" if is_part else "",
            total=limit,
            used=list(self._usage.get(subject, _NOTHING)),
            gpu_type=subject.gpu_type,
        )

    def _sharing(self, subjects: tuple[Subject, ...]) -> tuple[Subject, ...]:
        """Return the subjects that matter to others than the user of a task."""
        sharing = (each for each in subjects if each.kind is not SubjectKind.USER)
        return (*sharing, *self._guarantees.keep_for(subjects))


def _of(subjects: Iterable[Subject], kind: SubjectKind) -> Iterable[Subject]:
    return (each for each in subjects if each.kind is kind)


def _fit(pools: Sequence[Pool], demand: Demand, kept: Amounts = NOTHING) -> bool:
    return all(pool.fits(demand, kept) for pool in pools)


def _reason(
    pools: Sequence[Pool],
    demand: Demand,
    *,
    common: Sequence[Pool] = (),
    kept: Amounts = NOTHING,
) -> Reason:
    """Return why ``demand`` does not fit.

    What is in use counts before reservations, and these before what is kept.
    """
    every = (*pools, *common)
    reasons = chain(
        (pool.shortage(demand) for pool in every),
        (pool.reservation(demand) for pool in every),
        (pool.guarantee(demand, kept) for pool in common),
    )
    return next(reason for reason in reasons if reason is not None)
