"""What runs now and what ran in the last hours, as the page shows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tesk_model.states import TaskState
from tesk_model.task import TaskId

HOURS = (1, 6, 24)
"""How far back the load can be read."""

DEFAULT_HOURS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerLoad:
    """What one user, or everybody, uses now.

    Attributes:
        user: None for everybody.
        used: By the names of the settings below ``quota``, in their units.
        limit: Likewise; what is not named has none.
        share: The largest part of the capacity that it uses of anything, 0 to 1; None
            if the capacity is not known.
    """

    user: str | None
    used: Mapping[str, float]
    limit: Mapping[str, float]
    share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadInterval:
    """What happened in an interval of time, to the latest attempts of tasks.

    Attributes:
        queued: How many tasks were queued, and so on.
        mean_wait: Seconds that those which started had been queued; 0 if none did.
        longest_wait: Likewise.
        waiting: Tasks in the queue at its end.
    """

    start: datetime
    end: datetime
    queued: int
    started: int
    complete: int
    failed: int
    canceled: int
    mean_wait: float
    longest_wait: float
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedTask:
    """A task that failed."""

    id: TaskId
    name: str | None
    owner: str
    state: TaskState
    reason_code: str
    ended: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingCount:
    """How many tasks in a state wait for one cause, and since when the first does."""

    state: TaskState
    reason_code: str
    tasks: int
    oldest: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskmasterStatus:
    """A taskmaster; times and numbers are unknown if only its process is known.

    Attributes:
        state: See ``TaskmasterStatus`` of ``admin_service.proto``.
        message: How it ended, or why it does not come up.
    """

    id: str
    state: str
    slots: int
    assigned: int
    revision: str
    started: datetime | None
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The load, as one caller may see it.

    Attributes:
        read_at: When the scheduler read it.
        owners: The caller; or everybody, and then those who use most.
        more_owners: That were left out.
        capacity: As ``OwnerLoad.limit``; empty if it is not known.
        intervals: Oldest first; the last one has not ended.
        failures: How many of the last failed tasks had which cause.
        failed: The last failed tasks, newest first.
        waiting: For admins: what tasks wait for,
        taskmasters: and these, with the number of others and why it is not known
            which of them are alive.
    """

    read_at: datetime
    owners: tuple[OwnerLoad, ...] = ()
    more_owners: int = 0
    capacity: Mapping[str, float]
    intervals: tuple[LoadInterval, ...] = ()
    failures: tuple[tuple[str, int], ...] = ()
    failed: tuple[FailedTask, ...] = ()
    waiting: tuple[WaitingCount, ...] = ()
    taskmasters: tuple[TaskmasterStatus, ...] = ()
    more_taskmasters: int = 0
    taskmasters_problem: str = ""
