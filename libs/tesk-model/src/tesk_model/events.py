"""Events that a taskmaster reports to the scheduler about an attempt.

Events of an attempt are numbered 1, 2, 3, … over all its taskmasters, so that
one that is sent twice is applied once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, Self

from tesk_model.names import Attempt
from tesk_model.reasons import NO_REASON, Reason
from tesk_model.task import TaskId

MAX_CPU_SECONDS: Final = 10.0**10
"""The most that a command can plausibly use: three years of a hundred cores."""
MAX_MEMORY_BYTES: Final = 2**50
"""The most that a process can plausibly have."""


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
    """An executor has ended; ``exit_code`` is 0..255.

    Attributes:
        cpu_seconds: What its command used; None if it is not known.
        max_memory_bytes: The most that one of its processes had; likewise.
        image_digest: Of the image that ran: the same text if and only if it is the same
            image; "" if the runtime does not say.
    """

    index: int
    exit_code: int
    stdout: str
    stderr: str
    start_time: datetime | None
    end_time: datetime | None
    cpu_seconds: float | None = None
    max_memory_bytes: int | None = None
    image_digest: str = ""

    def with_plausible_usage(self) -> Self:
        """Return it without figures that cannot be: commands can forge theirs."""
        cpu, memory = self.cpu_seconds, self.max_memory_bytes
        return replace(
            self,
            cpu_seconds=None if cpu is None or not 0 <= cpu <= MAX_CPU_SECONDS else cpu,
            max_memory_bytes=None
            if memory is None or not 0 <= memory <= MAX_MEMORY_BYTES
            else memory,
        )


@dataclass(frozen=True, slots=True)
class CandidateRejected:
    """The results of the candidate do not count; the attempt goes on without it.

    Attributes:
        difference: Why, for people; "" if the filer of the check has said so.
    """

    difference: str = ""


@dataclass(frozen=True, slots=True)
class Finished:
    """The attempt is over; the text of ``reason`` goes to ``system_logs``.

    Attributes:
        candidate: The task whose results count for this one, COMPLETE without that any
            of it ran; None if it ran itself.
    """

    outcome: Outcome
    reason: Reason = NO_REASON
    candidate: TaskId | None = None


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
    | CandidateRejected
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
