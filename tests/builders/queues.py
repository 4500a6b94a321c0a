"""Queues and usage for tests of admission; a test names only what matters."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from tesk_model.quantities import GIB, ByteCount
from tesk_model.task import TaskId
from tesk_scheduler.domain.admission import (
    AdmissionMemory,
    AdmissionPlan,
    QueuedTask,
    plan_admissions,
)
from tesk_scheduler.domain.quota import (
    EVERYBODY,
    Demand,
    Limit,
    Quota,
    Subject,
    SubjectKind,
    Usage,
)

NOW = datetime(2030, 1, 1, tzinfo=UTC)
RESERVE_AFTER = timedelta(minutes=10)
LONG_AGO = NOW - timedelta(hours=1)
ALICE = Subject(SubjectKind.USER, "alice")
LAB = Subject(SubjectKind.GROUP, "lab")


def queued(name: str, *, cpu: float = 1, ram: float = 0, group: str = "") -> QueuedTask:
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
    memory: AdmissionMemory | None = None,
) -> AdmissionPlan:
    return plan_admissions(
        queues=queues,
        usage=usage or {},
        quota=quota,
        reserve_after=RESERVE_AFTER,
        now=NOW,
        memory=memory or AdmissionMemory(),
    )


def admitted(decision: AdmissionPlan) -> list[str]:
    return [task.id for task in decision.admitted]
