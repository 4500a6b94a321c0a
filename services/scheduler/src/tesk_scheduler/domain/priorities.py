"""Reads the priority of a task from its tag ``priority``.

Within an owner, tasks of higher priority always come first. Between owners it counts
by a bounded factor (``domain.fair_share``), and as far as the quota permits.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tesk_scheduler.domain.charging import share_of
from tesk_scheduler.domain.limits import format_subject
from tesk_scheduler.domain.quota import Quota, Subject

TAG = "priority"
MOST_PRIORITY = 1000
"""Of numbers, also below zero: a share grows or shrinks a thousandfold at most."""

_SHOWN = 60


class Priority(NamedTuple):
    """The priority of a new task.

    Attributes:
        value: In force.
        note: What to tell in ``system_logs``; "" for nothing.
    """

    value: int
    note: str = ""


def priority_of(
    tags: Mapping[str, str], subjects: Sequence[Subject], quota: Quota
) -> Priority:
    """Return the priority that a task may have.

    Tags are the users': one that is no priority is theirs for something else, so that
    it is not refused but ignored, with a note.

    Args:
        tags: Of the task.
        subjects: Who is charged for it: the lowest of their ``max_priority`` holds,
            or the highest priority that has a name if they have none.
        quota: Has the names of priorities.
    """
    text = tags.get(TAG)
    if text is None:
        return Priority(0)
    asked = quota.priorities.get(text)
    if asked is None:
        asked = _number(text)
    if asked is None:
        return Priority(0, _ignored(text, quota))
    bounds = [
        (most, subject)
        for subject in subjects
        if (most := share_of(subject, quota).max_priority) is not None
    ]
    named = max(quota.priorities.values(), default=0)
    bounds = bounds or [(named, subjects[0])]
    most, subject = min(bounds, key=lambda bound: bound[0])
    if asked <= most:
        return Priority(asked)
    whose = format_subject(subject)
    note = f"priority {text} was lowered to {most}, the highest that {whose} may have"
    return Priority(most, note)


def _number(text: str) -> int | None:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 4):  # noqa: PLR2004 - digits of the most
        return None
    number = int(text)
    return number if abs(number) <= MOST_PRIORITY else None


def _ignored(text: str, quota: Quota) -> str:
    names = ", ".join(sorted(quota.priorities)) or "none"
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return (
        f"the tag {TAG} is no priority and was ignored: it is {shown!r}, neither a name"
        f" ({names}) nor a whole number from -{MOST_PRIORITY} to {MOST_PRIORITY}"
    )
