"""Plays a trace against the scheduler's own policy, on a simulated clock.

What decides is ``tesk_scheduler.domain``: who is charged, what is refused, which task
starts. Here are only queues, counters and time. Time goes from one event (a
submission, an end, a token of a rate) to the next; events within a second are decided
on together, as the scheduler does.

A machine of simulated tasks has no taskmasters and no nodes: the capacity is one pool.
"""

import heapq
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import inf

from tesk_cli.domain.simulation.trace import TraceJob
from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.domain.accounting import charge
from tesk_scheduler.domain.admission import (
    AdmissionMemory,
    AdmissionPlan,
    plan_admissions,
)
from tesk_scheduler.domain.charging import charged_subjects, demand_of
from tesk_scheduler.domain.limits import queue_problems, submission_problems
from tesk_scheduler.domain.priorities import TAG, priority_of
from tesk_scheduler.domain.queues import QueuedTask
from tesk_scheduler.domain.quota import NOTHING, Amounts, Quota, Subject, Usage
from tesk_scheduler.domain.usage_history import (
    History,
    charged,
    new_part,
    sampled,
)

_BEGIN = datetime(2000, 1, 1, tzinfo=UTC)
# Tasks of each owner that a round looks at, as the scheduler reads them.
_WINDOW = 10
_ROUND = 1.0  # seconds: as the scheduler's rounds while tasks wait


@dataclass(slots=True, kw_only=True)
class JobResult:
    """What became of a job.

    Attributes:
        demand: What it is charged.
        started: Seconds from the beginning of the trace; None if it never was.
        refusal: Why it was not accepted; "" if it was.
    """

    job: TraceJob
    demand: Amounts = NOTHING
    started: float | None = None
    refusal: str = ""

    @property
    def wait(self) -> float | None:
        """Seconds from submission to start."""
        return None if self.started is None else self.started - self.job.submitted

    @property
    def end(self) -> float | None:
        """When it ended."""
        return None if self.started is None else self.started + self.job.run_time


def simulate(quota: Quota, jobs: Sequence[TraceJob]) -> list[JobResult]:
    """Return what becomes of each job.

    Args:
        quota: Limits, shares and capacity.
        jobs: By time of submission.
    """
    simulator = _Simulator(quota, jobs)
    while simulator.advance():
        pass
    return simulator.results


@dataclass(order=True, slots=True)
class _Waiting:
    """A task in the queue of its owner, in order."""

    key: tuple[int, int]
    task: QueuedTask = field(compare=False)


class _Simulator:
    """The state of all queues and counters at one time."""

    def __init__(self, quota: Quota, jobs: Sequence[TraceJob]) -> None:
        self.results = [JobResult(job=job) for job in jobs]
        self._quota = quota
        self._defaults = quota.default_demand
        self._arrived = 0
        self._ends: list[tuple[float, int]] = []
        self._running: dict[int, QueuedTask] = {}
        self._queues: dict[str, list[_Waiting]] = {}
        self._usage: dict[Subject, Usage] = {}
        self._history: History = {}
        self._sampled_at = -inf
        self._memory = AdmissionMemory()
        self._resume_at = inf
        self._last_round = -inf

    def advance(self) -> bool:
        """Go on to the next events and decide; return False if there are none."""
        following = min(self._next_arrival(), self._next_end(), self._resume_at)
        if following == inf:
            return False
        now = max(following, self._last_round + _ROUND)
        self._last_round = now
        self._sample(now)
        self._end_until(now)
        self._submit_until(now)
        self._admit(now)
        return True

    def _next_arrival(self) -> float:
        if self._arrived == len(self.results):
            return inf
        return self.results[self._arrived].job.submitted

    def _next_end(self) -> float:
        return self._ends[0][0] if self._ends else inf

    def _sample(self, now: float) -> None:
        fair = self._quota.fair_share
        if not fair.is_enabled or now - self._sampled_at < fair.sample.total_seconds():
            return
        change = sampled(
            self._history,
            self._usage,
            now=_time(now),
            sample=fair.sample,
            half_life=fair.half_life,
        )
        self._history = change.applied_to(self._history)
        self._sampled_at = now

    def _end_until(self, now: float) -> None:
        while self._ends and self._ends[0][0] <= now:
            _, number = heapq.heappop(self._ends)
            task = self._running.pop(number)
            self._count(task, TaskState.RUNNING, -1)

    def _submit_until(self, now: float) -> None:
        while self._next_arrival() <= now:
            self._submit(self._arrived)
            self._arrived += 1

    def _submit(self, number: int) -> None:
        result = self.results[number]
        job = result.job
        subjects = charged_subjects(job.owner, job.groups, self._quota)
        demand = demand_of(job.resources, self._defaults)
        tags = {TAG: job.priority} if job.priority else {}
        priority = priority_of(tags, subjects, self._quota)
        problems = submission_problems(demand, subjects, self._quota)
        [too_many] = queue_problems([subjects], self._usage, self._quota)
        result.demand = demand
        result.refusal = "; ".join(map(str, problems)) or too_many or ""
        if result.refusal:
            return
        task = QueuedTask(
            id=TaskId(str(number)),
            sequence=number,
            owner=job.owner,
            subjects=subjects,
            demand=demand,
            queued_at=_time(job.submitted),
            priority=priority.value,
        )
        queue = self._queues.setdefault(job.owner, [])
        insort(queue, _Waiting((-task.priority, number), task))
        self._count(task, TaskState.QUEUED, 1)

    def _admit(self, now: float) -> None:
        """Admit until nothing more fits."""
        self._resume_at = inf
        while any(self._queues.values()):
            plan = self._plan(now)
            self._memory = plan.memory
            for task in plan.admitted:
                self._start(task, now)
            self._charge(plan.admitted, now)
            if not plan.admitted:
                if plan.resume_at is not None:
                    self._resume_at = (plan.resume_at - _BEGIN).total_seconds()
                return

    def _plan(self, now: float) -> AdmissionPlan:
        return plan_admissions(
            queues=[
                [each.task for each in queue[:_WINDOW]]
                for queue in self._queues.values()
                if queue
            ],
            usage=self._usage,
            history=self._history,
            quota=self._quota,
            now=_time(now),
            memory=self._memory,
            window=_WINDOW,
        )

    def _start(self, task: QueuedTask, now: float) -> None:
        queue = self._queues[task.owner]
        # It is among the first ones.
        position = next(index for index, each in enumerate(queue) if each.task is task)
        del queue[position]
        result = self.results[task.sequence]
        result.started = now
        self._running[task.sequence] = task
        heapq.heappush(self._ends, (now + result.job.run_time, task.sequence))
        self._count(task, TaskState.QUEUED, -1)
        self._count(task, TaskState.RUNNING, 1)

    def _charge(self, tasks: Sequence[QueuedTask], now: float) -> None:
        fair = self._quota.fair_share
        if fair.is_enabled and tasks:
            change = charged(
                self._history,
                [(task.subjects, task.demand) for task in tasks],
                now=_time(now),
                penalty=new_part(fair.sample, fair.half_life),
            )
            self._history = change.applied_to(self._history)

    def _count(self, task: QueuedTask, state: TaskState, times: int) -> None:
        amounts = charge(state, task.demand)
        for subject in task.subjects:
            used = self._usage.get(subject, _NO_USAGE)
            self._usage[subject] = used.plus(amounts, times=times)


_NO_USAGE = Usage()


def _time(seconds: float) -> datetime:
    return _BEGIN + timedelta(seconds=seconds)
