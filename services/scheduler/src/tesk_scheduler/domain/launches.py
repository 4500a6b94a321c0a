"""What is to become of taskmasters, by what the store and the launcher say.

Rule: nobody gets an attempt while the one who had it may still act. One that
lives acts until its lease ends; one whose end is not known for sure likewise.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tesk_model.reasons import Reason, ReasonCode
from tesk_scheduler.domain.fleet import Taskmaster

_ABOUT_TASKMASTERS = frozenset(
    {
        ReasonCode.TASKMASTERS_FULL,
        ReasonCode.TASKMASTER_REFUSED,
        ReasonCode.TASKMASTER_STARTING,
    }
)


class Fate(StrEnum):
    """What to do with a taskmaster."""

    KEEP = "KEEP"
    LEAVE = "LEAVE"
    """Give it nothing more; it may still act."""
    START = "START"
    """It was never started: the scheduler died before it did so."""
    BURY = "BURY"
    """End what is left of it, and give its attempts to others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """What a launcher says of one taskmaster."""

    lives: bool
    may_act: bool
    words: str


def fate_of(member: Taskmaster, signs: Signs, now: datetime) -> Fate:
    """Decide what to do with a taskmaster of the store."""
    if member.lease_until <= now:
        return Fate.BURY
    if signs.lives:
        return Fate.KEEP
    if member.seen:
        return Fate.LEAVE if signs.may_act else Fate.BURY
    # Who never called has nothing that another could get too early.
    return Fate.BURY if signs.words else Fate.START


@dataclass(frozen=True, slots=True, kw_only=True)
class Strays:
    """Taskmasters that the store does not know.

    Attributes:
        since: When each that lives was first noticed, in monotonic seconds.
        remove: Ids of those to be removed now, in order.
    """

    since: Mapping[str, float]
    remove: tuple[str, ...] = ()


def find_strays(
    before: Strays,
    *,
    living: Collection[str],
    ended: Collection[str],
    known: Collection[str],
    now: float,
    grace: float,
) -> Strays:
    """Tell which taskmasters nobody expects, and which to remove.

    What has ended goes at once. What lives is given ``grace`` seconds: it may
    have been sent away just now and be going, or be about to call.

    Args:
        before: What this returned the last time.
        living: Ids that the launcher lists.
        ended: Likewise.
        known: Ids in the store, read after the launcher was asked.
        now: Monotonic seconds.
        grace: Seconds.
    """
    since = {
        name: before.since.get(name, now) for name in living if name not in set(known)
    }
    overdue = {name for name, first in since.items() if now - first >= grace}
    return Strays(
        since=since,
        remove=tuple(sorted(overdue | (set(ended) - set(known) - set(living)))),
    )


def starting_reason(cause: str) -> Reason:
    """Return why an attempt waits whose taskmaster does not come up."""
    return Reason(ReasonCode.TASKMASTER_STARTING, f"waiting for a taskmaster: {cause}")


def full_reason(tasks: int) -> Reason:
    """Return why a task waits when all taskmasters have as many as they may."""
    return Reason(
        ReasonCode.TASKMASTERS_FULL,
        f"waiting for a taskmaster: {tasks} tasks are in progress",
    )


def refusal_reason(problem: str) -> Reason:
    """Return why a task waits when taskmasters cannot be started at all."""
    return Reason(
        ReasonCode.TASKMASTER_REFUSED, f"no taskmaster can be started: {problem}"
    )


def is_about_taskmasters(reason: Reason) -> bool:
    """Tell whether a reason stops being true when a taskmaster has the attempt."""
    return reason.code in _ABOUT_TASKMASTERS
