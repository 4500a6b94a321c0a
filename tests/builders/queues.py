"""Queues and usage for tests of admission; a test names only what matters."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from math import inf

from tesk_model.quantities import GIB, ByteCount
from tesk_model.task import TaskId
from tesk_scheduler.domain.admission import (
    AdmissionMemory,
    AdmissionPlan,
    plan_admissions,
)
from tesk_scheduler.domain.queues import QueuedTask
from tesk_scheduler.domain.quota import (
    EVERYBODY,
    Demand,
    Limit,
    Quota,
    Subject,
    SubjectKind,
    Usage,
)
from tesk_scheduler.domain.starvation import Waits
from tesk_scheduler.domain.usage_history import History

NOW = datetime(2030, 1, 1, tzinfo=UTC)
RESERVE_AFTER = timedelta(minutes=10)
LONG_AGO = NOW - timedelta(hours=1)
ALICE = Subject(SubjectKind.USER, "alice")
LAB = Subject(SubjectKind.GROUP, "lab")


def queued(
    name: str, *, cpu: float = 1, ram: float = 0, group: str = "", priority: int = 0
) -> QueuedTask:
    """Return a task whose name is its owner, a dash and its place in the queue."""
    owner, _, number = name.rpartition("-")
    groups = (Subject(SubjectKind.GROUP, group),) if group else ()
    return QueuedTask(
        id=TaskId(name),
        sequence=int(number),
        owner=owner,
        subjects=(Subject(SubjectKind.USER, owner), *groups, EVERYBODY),
        demand=Demand(
            cpu_millis=round(cpu * 1000),
            ram=ByteCount(round(ram * GIB)),
            disk=ByteCount(0),
        ),
        queued_at=LONG_AGO,
        priority=priority,
    )


def cores(count: float) -> Limit:
    return Limit(cpu_millis=round(count * 1000))


def using(cpu: float, *, running: int = 1, ram: float = 0) -> Usage:
    return Usage(
        running=running, cpu_millis=round(cpu * 1000), ram=ByteCount(round(ram * GIB))
    )


def plan(
    *queues: Sequence[QueuedTask],
    quota: Quota,
    usage: dict[Subject, Usage] | None = None,
    history: History | None = None,
    memory: AdmissionMemory | None = None,
    places: float = inf,
    most: float = inf,
) -> AdmissionPlan:
    return plan_admissions(
        queues=queues,
        usage=usage or {},
        history=history or {},
        quota=quota,
        now=NOW,
        memory=memory or AdmissionMemory(),
        places=places,
        most=most,
    )


def overdue(*tasks: QueuedTask, since: datetime = LONG_AGO) -> AdmissionMemory:
    """Return that tasks have waited for others, since long ago."""
    return AdmissionMemory(waits=Waits(shared={task.id: since for task in tasks}))


def admitted(decision: AdmissionPlan) -> list[str]:
    return [task.id for task in decision.admitted]
