"""Remembers what a task has waited for, while its reason changes.

A *cause* is a code with whose limit it is: its numbers may change every second, the
cause stays. While a task is queued the time of each cause is added up, so that the
line at its admission can say where the time went, also after a failover: all of it is
stored beside the reason, and bounded.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tesk_model.progress import format_seconds
from tesk_model.reasons import Reason, ReasonCode

LASTING = timedelta(minutes=5)
"""A cause that has held for so long has changed for good: ``system_logs`` say so."""

NOTABLE = timedelta(minutes=1)
"""A task that was queued for so long gets a line about it when it is admitted."""

MAX_CAUSES = 16
MAX_LINES = 10
_TEXT_LENGTH = 160

_NOUNS = {
    ReasonCode.ADMISSION_PENDING: "its turn",
    ReasonCode.HELD: "a hold",
    ReasonCode.QUOTA_FULL: "a limit",
    ReasonCode.CAPACITY_FULL: "capacity",
    ReasonCode.CAPACITY_RESERVED: "a larger task",
    ReasonCode.GUARANTEE_KEPT: "guaranteed shares of others",
    ReasonCode.NODES_NOT_READY: "a node",
    ReasonCode.NODES_TOO_SMALL: "a larger node",
    ReasonCode.LIMIT_EXCEEDED: "a limit to be raised",
    ReasonCode.TASKMASTERS_FULL: "a taskmaster",
    ReasonCode.TASKMASTER_REFUSED: "a taskmaster",
    ReasonCode.RETRY_BACKOFF: "the pause before its attempt",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """For how long a task has waited for one cause.

    Attributes:
        cause: As ``Reason.cause``.
        text: The last sentence about it; "" if there was none.
    """

    cause: tuple[str, ...]
    text: str
    time: timedelta

    @property
    def code(self) -> str:
        """The code of the cause."""
        return self.cause[0] if self.cause else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitHistory:
    """What was before the present reason of a task.

    Attributes:
        since: Since when the present cause holds; None if that is not known.
        spent: On earlier causes, in the order in which each began.
        is_told: ``system_logs`` have a line about the present cause.
        lines: How many such lines they have.
    """

    since: datetime | None = None
    spent: tuple[Spent, ...] = ()
    is_told: bool = False
    lines: int = 0


NO_HISTORY = WaitHistory()


def continued(
    history: WaitHistory,
    before: Reason,
    after: Reason,
    *,
    began: datetime,
    now: datetime,
) -> WaitHistory:
    """Return the history of a queued task whose reason becomes ``after``.

    Args:
        history: Of ``before``.
        before: The reason so far; without text the task waited for its turn.
        after: The next one, or the same.
        began: When the task was queued.
        now: The time.
    """
    if after.cause == before.cause and history.since is not None:
        return history
    return WaitHistory(
        since=now,
        spent=total_spent(history.spent, before, queued=now - began),
        lines=history.lines,
    )


def total_spent(
    earlier: tuple[Spent, ...], reason: Reason, *, queued: timedelta
) -> tuple[Spent, ...]:
    """Return what a queued task has spent on each cause, the present one included.

    Args:
        earlier: On causes before the present one.
        reason: The present one. Before any was stored, the task waited for its turn.
        queued: For how long the task has been queued: the sum of the result.
    """
    known = sum((each.time for each in earlier), timedelta())
    # The clock may have been set back.
    time = max(queued - known, timedelta())
    if not reason.code:
        pending = (ReasonCode.ADMISSION_PENDING.value,)
        return _added(earlier, Spent(cause=pending, text="", time=time))
    text = reason.text[:_TEXT_LENGTH]
    return _added(earlier, Spent(cause=reason.cause, text=text, time=time))


def lasting_line(
    history: WaitHistory, reason: Reason, now: datetime
) -> tuple[WaitHistory, str]:
    """Return the line that a cause has held for long, once; "" if there is none."""
    since = history.since
    if (
        since is None
        or not reason.text
        or history.is_told
        or history.lines >= MAX_LINES
        or now - since < LASTING
    ):
        return history, ""
    line = f"waiting since {since:%Y-%m-%d %H:%M} UTC: {reason.text}"
    return replace(history, is_told=True, lines=history.lines + 1), line


def admission_line(spent: Sequence[Spent]) -> str:
    """Format where the time of a queued task went; "" if it was not long.

    ``queued 12 min 0 s: 10 min 0 s for a limit (alice: 50 of 50 tasks running),
    2 min 0 s for capacity (waiting for 4 cpu: 2 free)``
    """
    total = sum((each.time for each in spent), timedelta())
    if total < NOTABLE:
        return ""
    seconds = total.total_seconds()
    parts = [
        f"{format_seconds(each.time.total_seconds())} for {_described(each)}"
        for each in spent
        # What took no time worth naming.
        if each.time.total_seconds() >= max(1.0, seconds / 100)
    ]
    return f"queued {format_seconds(seconds)}: {', '.join(parts)}"


def _described(spent: Spent) -> str:
    codes = {code.value: noun for code, noun in _NOUNS.items()}
    noun = codes.get(spent.code, "another cause")
    return f"{noun} ({spent.text})" if spent.text else noun


def _added(spent: tuple[Spent, ...], more: Spent) -> tuple[Spent, ...]:
    known = [each.cause for each in spent]
    if more.cause in known:
        place = known.index(more.cause)
    elif len(spent) < MAX_CAUSES:
        return (*spent, more) if more.time else spent
    else:
        place = len(spent) - 1  # the last one stands for all later ones
    together = replace(more, cause=known[place], time=spent[place].time + more.time)
    return (*spent[:place], together, *spent[place + 1 :])
