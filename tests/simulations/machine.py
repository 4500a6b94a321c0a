"""A machine that runs tasks, as admission sees it: queues, counters, time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import reduce

from tesk_model.quantities import ByteCount
from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.domain.accounting import charge
from tesk_scheduler.domain.admission import (
    AdmissionMemory,
    AdmissionPlan,
    plan_admissions,
)
from tesk_scheduler.domain.charging import charged_subjects, limit_of
from tesk_scheduler.domain.queues import QueuedTask
from tesk_scheduler.domain.quota import (
    EVERYBODY,
    Amounts,
    Demand,
    Quota,
    Subject,
    Usage,
)
from tesk_scheduler.domain.usage_history import (
    History,
    charged,
    new_part,
    sampled,
)


@dataclass(kw_only=True)
class Machine:
    """Queues, running tasks and counters, as the scheduler keeps them."""

    quota: Quota
    now: datetime = datetime(2030, 1, 1, tzinfo=UTC)
    memory: AdmissionMemory = field(default_factory=AdmissionMemory)
    queues: dict[str, list[QueuedTask]] = field(default_factory=dict)
    running: list[QueuedTask] = field(default_factory=list)
    started: list[QueuedTask] = field(default_factory=list)
    counters: dict[Subject, Amounts] = field(default_factory=dict)
    history: History = field(default_factory=dict)
    submitted: int = 0

    def submit(
        self,
        owner: str,
        demand: Demand,
        groups: tuple[str, ...] = (),
        *,
        priority: int = 0,
    ) -> QueuedTask:
        self.submitted += 1
        task = QueuedTask(
            id=TaskId(f"t{self.submitted}"),
            sequence=self.submitted,
            owner=owner,
            subjects=charged_subjects(owner, groups, self.quota),
            demand=demand,
            queued_at=self.now,
            priority=priority,
        )
        queue = self.queues.setdefault(owner, [])
        queue.append(task)
        queue.sort(key=lambda each: (-each.priority, each.sequence))
        self._count(task, charge(TaskState.QUEUED, demand))
        return task

    def plan(self) -> AdmissionPlan:
        return plan_admissions(
            queues=list(self.queues.values()),
            usage=self.usage(),
            quota=self.quota,
            now=self.now,
            memory=self.memory,
            history=self.history,
        )

    def admit(self) -> AdmissionPlan:
        decision = self.plan()
        for task in decision.admitted:
            self.queues[task.owner].remove(task)
            self.running.append(task)
            queued, taken = (
                charge(state, task.demand)
                for state in (TaskState.QUEUED, TaskState.INITIALIZING)
            )
            self._count(task, taken.plus(queued, times=-1))
            self.charge(task)
        self.started.extend(decision.admitted)
        self.memory = decision.memory
        return decision

    def charge(self, task: QueuedTask) -> None:
        """Add the entry penalty of a task that starts."""
        fair = self.quota.fair_share
        change = charged(
            self.history,
            [(task.subjects, task.demand)],
            now=self.now,
            penalty=new_part(fair.sample, fair.half_life),
        )
        self.history = change.applied_to(self.history)

    def sample(self) -> None:
        """Take a sample of what is in use."""
        fair = self.quota.fair_share
        change = sampled(
            self.history,
            self.usage(),
            now=self.now,
            sample=fair.sample,
            half_life=fair.half_life,
        )
        self.history = change.applied_to(self.history)

    def usage(self) -> dict[Subject, Usage]:
        return {subject: Usage.of(count) for subject, count in self.counters.items()}

    def finish(self, index: int) -> None:
        if self.running:
            task = self.running.pop(index % len(self.running))
            taken = charge(TaskState.RUNNING, task.demand)
            self._count(task, Amounts().plus(taken, times=-1))

    def recount(self) -> dict[Subject, Amounts]:
        """Count from the tasks, not from the counters."""
        waiting = [task for queue in self.queues.values() for task in queue]
        return {
            subject: _used(_charged_to(subject, self.running)).plus(
                Amounts(queued=len(_charged_to(subject, waiting)))
            )
            for subject in self.counters
        }

    def exceeded(self, extra: QueuedTask | None = None) -> list[str]:
        """List the limits that the running tasks exceed, with ``extra`` or not."""
        tasks = [*self.running, *([extra] if extra else [])]
        limits = [
            (subject, limit_of(subject, self.quota))
            for subject in {each for task in tasks for each in task.subjects}
        ]
        return [
            f"{subject}: {name}"
            for subject, limit in [*limits, (EVERYBODY, self.quota.capacity)]
            for name, used in _used(_charged_to(subject, tasks)).named().items()
            if used > limit.named()[name]
        ]

    def _count(self, task: QueuedTask, change: Amounts) -> None:
        for subject in task.subjects:
            self.counters[subject] = self.counters.get(subject, Amounts()).plus(change)


def _charged_to(subject: Subject, tasks: Sequence[QueuedTask]) -> list[QueuedTask]:
    return [task for task in tasks if subject in task.subjects]


def _used(tasks: Sequence[QueuedTask]) -> Amounts:
    return reduce(Amounts.plus, (task.demand for task in tasks), Amounts())


def make_demand(cpu: int, ram: int = 0, disk: int = 0) -> Demand:
    return Demand(cpu_millis=cpu, ram=ByteCount(ram), disk=ByteCount(disk))
