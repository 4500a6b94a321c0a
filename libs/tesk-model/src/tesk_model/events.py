"""Events that a taskmaster reports to the scheduler about an attempt.

Events of an attempt are numbered 1, 2, 3, … over all its taskmasters, so that
one that is sent twice is applied once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tesk_model.names import Attempt
from tesk_model.reasons import NO_REASON, Reason


class Outcome(StrEnum):
    """How an attempt ended.

    LOST: through no fault of the user; the scheduler tries again.
    """

    COMPLETE = "COMPLETE"
    EXECUTOR_ERROR = "EXECUTOR_ERROR"
    SYSTEM_ERROR = "SYSTEM_ERROR"
    CANCELED = "CANCELED"
    LOST = "LOST"


class EventVerdict(StrEnum):
    """How the scheduler handled an event.

    DUPLICATE: known already. REFUSED: the attempt is over, or another
    taskmaster has it.
    """

    APPLIED = "APPLIED"
    DUPLICATE = "DUPLICATE"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True)
class ReasonChanged:
    """The reason of the attempt: what it waits for or does now.

    Attributes:
        held_up_since: When the step began to fail to proceed; None if it proceeds.
    """

    reason: Reason
    held_up_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """A line for ``system_logs``."""

    text: str


@dataclass(frozen=True, slots=True)
class Metadata:
    """Entries for ``metadata``, merged."""

    entries: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ExecutorStarted:
    """An executor was started."""

    index: int


@dataclass(frozen=True, slots=True)
class ExecutorOutput:
    """The last output of a running executor; replaces the output before.

    An empty stream replaces nothing.
    """

    index: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorEnded:
    """An executor has ended; ``exit_code`` is 0..255."""

    index: int
    exit_code: int
    stdout: str
    stderr: str
    start_time: datetime | None
    end_time: datetime | None


@dataclass(frozen=True, slots=True)
class Finished:
    """The attempt is over; the text of ``reason`` goes to ``system_logs``."""

    outcome: Outcome
    reason: Reason = NO_REASON


@dataclass(frozen=True, slots=True)
class Released:
    """No part of the attempt runs any more. The last event.

    Attributes:
        left: Leftovers that could not be removed, and why; "" if there are none.
    """

    left: str = ""


EventPayload = (
    ReasonChanged
    | Notice
    | Metadata
    | ExecutorStarted
    | ExecutorOutput
    | ExecutorEnded
    | Finished
    | Released
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEvent:
    """One numbered event of an attempt."""

    attempt: Attempt
    sequence: int
    time: datetime
    payload: EventPayload
