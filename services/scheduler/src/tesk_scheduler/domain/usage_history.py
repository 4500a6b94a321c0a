"""Remembers what users and groups have used, ever less of it as time passes.

The memory of a subject is the exponentially weighted average of what it used:
after each sample ``average = (1 - A)·average + A·usage`` with
``A = 1 - 0.5^(elapsed / half_life)``, so that what was used one half-life ago
counts half. The formula is exact for any time between two samples, as long as
the usage was the same in between.

Between samples a user could start any number of tasks for nothing. So each
admission adds, at once, what the task will add until the next sample, had it
just begun: ``A·demand``, the entry penalty. It stays, and is charged once for
each admission.

Source: Slurm's decayed usage (``PriorityDecayHalfLife``) and the entry penalty of
admission fair sharing in Kueue (KEP 4136).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tesk_scheduler.domain.dimensions import QUEUED
from tesk_scheduler.domain.quota import (
    Amounts,
    Demand,
    Subject,
    SubjectKind,
    Usage,
)

MOST_SUBJECTS = 10_000
"""What is remembered is bounded: those that used something last stay."""

_FORGOTTEN_AFTER = 10  # half-lives: a thousandth is left
_NOTHING = Amounts()


@dataclass(frozen=True, slots=True, kw_only=True)
class PastUsage:
    """What one subject has used.

    Attributes:
        average: Amounts in use, averaged over the past; what waits does not count.
        sampled_at: When ``average`` was true.
        used_at: When the subject last used something.
    """

    average: Amounts
    sampled_at: datetime
    used_at: datetime


History = Mapping[Subject, PastUsage]
"""By subject; users and groups only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryChange:
    """What is different after an event: rows to write and rows to delete."""

    changed: History
    forgotten: frozenset[Subject] = frozenset()

    def applied_to(self, history: History) -> dict[Subject, PastUsage]:
        """Return ``history`` after the change."""
        kept = {**history, **self.changed}
        return {
            subject: past
            for subject, past in kept.items()
            if subject not in self.forgotten
        }


def has_share(subject: Subject) -> bool:
    """Tell whether a subject can be a party of fair share: a user or a group."""
    is_party = subject.kind in (SubjectKind.USER, SubjectKind.GROUP)
    return is_party and not subject.gpu_type


def new_part(elapsed: timedelta, half_life: timedelta) -> float:
    """Return A: how much of the average is new after a time; all without half-life."""
    if half_life <= timedelta():
        return 1.0
    # A clock that was set back changes nothing.
    return float(1 - 0.5 ** (max(elapsed, timedelta()) / half_life))


def sampled(
    history: History,
    usage: Mapping[Subject, Usage],
    *,
    now: datetime,
    sample: timedelta,
    half_life: timedelta,
) -> HistoryChange:
    """Take a sample.

    Args:
        history: Before.
        usage: What is in use now.
        now: The time; aware.
        sample: Usual time between samples; a new subject counts as if it had used
            nothing before.
        half_life: See the module.

    Returns:
        Every row anew. Who has used nothing for ten half-lives is forgotten, and
        who used something longest ago if there are more than ``MOST_SUBJECTS``.
    """
    in_use = {
        subject: _without_queue(used)
        for subject, used in usage.items()
        if has_share(subject)
    }
    began = PastUsage(average=_NOTHING, sampled_at=now - sample, used_at=now)
    rows = {
        subject: _sampled(
            history.get(subject, began),
            in_use.get(subject, _NOTHING),
            now=now,
            half_life=half_life,
        )
        for subject in history.keys() | in_use.keys()
        if subject in history or any(in_use[subject])
    }
    kept = _kept(rows, now - _FORGOTTEN_AFTER * half_life)
    return HistoryChange(
        changed={subject: rows[subject] for subject in kept},
        forgotten=frozenset(history.keys() - kept),
    )


def charged(
    history: History,
    admissions: Iterable[tuple[Iterable[Subject], Demand]],
    *,
    now: datetime,
    penalty: float,
) -> HistoryChange:
    """Add the entry penalty of tasks that were admitted.

    Args:
        history: Before.
        admissions: For each task its subjects and what it takes.
        now: The time; aware.
        penalty: A of the time between two samples.
    """
    changed: dict[Subject, PastUsage] = {}
    for subjects, demand in admissions:
        for subject in subjects:
            if not has_share(subject):
                continue
            past = changed.get(subject) or history.get(subject)
            if past is None:
                past = PastUsage(average=_NOTHING, sampled_at=now, used_at=now)
            average = Amounts.of(
                old + penalty * new
                for old, new in zip(past.average, demand, strict=True)
            )
            changed[subject] = replace(past, average=average, used_at=now)
    return HistoryChange(changed=changed)


def _sampled(
    past: PastUsage, used: Amounts, *, now: datetime, half_life: timedelta
) -> PastUsage:
    new = new_part(now - past.sampled_at, half_life)
    average = Amounts.of(
        (1 - new) * old + new * present
        for old, present in zip(past.average, used, strict=True)
    )
    used_at = now if any(used) else min(past.used_at, now)
    return PastUsage(average=average, sampled_at=now, used_at=used_at)


def _without_queue(used: Usage) -> Amounts:
    return Amounts.of(
        0 if index == QUEUED.index else value for index, value in enumerate(used)
    )


def _kept(rows: History, last_use: datetime) -> set[Subject]:
    recent = {subject for subject, past in rows.items() if past.used_at >= last_use}
    if len(recent) <= MOST_SUBJECTS:
        return recent
    latest = sorted(recent, key=lambda each: (rows[each].used_at, each), reverse=True)
    return set(latest[:MOST_SUBJECTS])
