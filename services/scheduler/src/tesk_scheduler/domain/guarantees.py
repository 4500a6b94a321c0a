"""Tracks guaranteed shares while admissions are planned.

A task *fits the guarantee* of its user or its group if it asks for something that is
guaranteed and exceeds, with what is in use, none of what is. What is guaranteed and
free may be used by others, but for what is *kept*: the part that lending does not
let them have. A subject uses what is kept for it first.

The guarantee of a user is beside that of the user's group: a task counts for both.
"""

from collections.abc import Iterable, Mapping

from tesk_scheduler.domain.charging import share_of
from tesk_scheduler.domain.quota import (
    NOTHING,
    Amounts,
    Quota,
    Subject,
    SubjectKind,
    Usage,
)


class Guarantees:
    """What is guaranteed, in use of it and kept, by subject."""

    def __init__(self, usage: Mapping[Subject, Usage], quota: Quota) -> None:
        self._quota = quota
        self._used: dict[Subject, Amounts] = {}
        self._usage = usage
        self._kept_of = quota.kept.of
        self._all_kept = NOTHING
        for subject in self._kept_of:
            self._all_kept = self._all_kept.plus(self._kept(subject))

    def fit(self, subjects: Iterable[Subject], demand: Amounts) -> bool:
        """Tell whether a task fits the guarantee of its user or its group."""
        return bool(self._quota.shares) and any(
            _is_within(share.guaranteed, self._used_of(subject), demand)
            for subject in _holders(subjects)
            if (share := share_of(subject, self._quota)).guaranteed != NOTHING
        )

    def kept_from(self, subjects: Iterable[Subject]) -> Amounts:
        """Return what is kept for others than ``subjects``."""
        kept = self._all_kept
        for subject in subjects:
            if subject in self._kept_of:
                kept = kept.plus(self._kept(subject), times=-1)
        return kept

    def keep_for(self, subjects: Iterable[Subject]) -> tuple[Subject, ...]:
        """Return those of ``subjects`` for which something may be kept."""
        return tuple(each for each in subjects if each in self._kept_of)

    def take(self, subjects: Iterable[Subject], demand: Amounts) -> None:
        """Count one more task as running."""
        if not self._quota.shares:
            return
        for subject in _holders(subjects):
            before = self._kept(subject)
            self._used[subject] = self._used_of(subject).plus(demand)
            released = before.plus(self._kept(subject), times=-1)
            self._all_kept = self._all_kept.plus(released, times=-1)

    def _kept(self, subject: Subject) -> Amounts:
        most = self._kept_of.get(subject)
        if most is None:
            return NOTHING
        return most.plus(self._used_of(subject), times=-1).at_least(NOTHING)

    def _used_of(self, subject: Subject) -> Amounts:
        used = self._used.get(subject)
        return self._usage.get(subject, NOTHING) if used is None else used


def _holders(subjects: Iterable[Subject]) -> Iterable[Subject]:
    """Return the subjects that may have a share: the user and the group."""
    kinds = (SubjectKind.USER, SubjectKind.GROUP)
    return (each for each in subjects if each.kind in kinds and not each.gpu_type)


def _is_within(guaranteed: Amounts, used: Amounts, demand: Amounts) -> bool:
    named = [
        (most, taken, asked)
        for most, taken, asked in zip(guaranteed, used, demand, strict=True)
        if most
    ]
    asks = any(asked for _, _, asked in named)
    return asks and all(taken + asked <= most for most, taken, asked in named)
