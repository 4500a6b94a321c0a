"""Which queued tasks may start now: a pure decision on plain data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tesk_model.task import TaskId
from tesk_scheduler.domain.quota import Demand, Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedTask:
    """A task that waits.

    Attributes:
        sequence: Order of arrival.
        subjects: Everyone charged for it: its user, its group if any, all.
        queued_at: Since when it waits in this attempt.
    """

    id: TaskId
    sequence: int
    owner: str
    subjects: tuple[Subject, ...]
    demand: Demand
    queued_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionPlan:
    """The decision.

    Attributes:
        admitted: Tasks to start, in order.
        reasons: For tasks that were looked at and must wait: why, for people.
    """

    admitted: Sequence[QueuedTask]
    reasons: Mapping[TaskId, str]
