"""Creates tasks: a batch in one transaction, each task accepted or refused alone."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import chain
from math import inf

from tesk_model.errors import (
    InvalidRequestError,
    ResourceExhaustedError,
    TeskError,
    Violation,
)
from tesk_model.task import TaskId
from tesk_scheduler.domain.attempt_rules import AttemptRules
from tesk_scheduler.domain.dimensions import QUEUED
from tesk_scheduler.domain.limits import queue_problems
from tesk_scheduler.domain.occurrences import TaskCreated
from tesk_scheduler.domain.quota import Demand, Quota
from tesk_scheduler.domain.records import NewTask
from tesk_scheduler.ports.environment import Clock, IdGenerator, Namespaces
from tesk_scheduler.ports.quota import QuotaSource
from tesk_scheduler.ports.store import TaskStore, Transaction
from tesk_scheduler.ports.webhooks import NO_WEBHOOKS, TargetSource
from tesk_scheduler.usecases.acceptance import Acceptance, Draft
from tesk_scheduler.usecases.call_cache import CallCache
from tesk_scheduler.usecases.notifier import LeaderWakeup

MAX_BATCH = 256

RETRY_AFTER = timedelta(seconds=30)
"""When to try again if too many tasks are queued."""


class Submission:
    """Creates tasks."""

    def __init__(  # noqa: PLR0913 - all that decides whether a task is accepted
        self,
        *,
        store: TaskStore,
        clock: Clock,
        ids: IdGenerator,
        quotas: QuotaSource,
        namespace_of: Namespaces,
        leader: LeaderWakeup,
        rules: Callable[[], AttemptRules] = AttemptRules,
        call_cache: CallCache | None = None,
        webhooks: TargetSource = NO_WEBHOOKS,
    ) -> None:
        self._store = store
        self._ids = ids
        self._quotas = quotas
        self._namespace_of = namespace_of
        self._leader = leader
        self._acceptance = Acceptance(
            clock=clock,
            rules=rules,
            call_cache=call_cache or CallCache(),
            webhooks=webhooks,
        )
        self._limited: tuple[Quota, bool] = (Quota(), False)

    def submit(self, drafts: Sequence[Draft]) -> list[TaskId | TeskError]:
        """Create the accepted tasks; durable when this returns.

        Returns:
            For each draft the id of its task, an earlier one if the idempotency
            key is known, or the refusal.

        Raises:
            UnavailableError: Nothing was created.
            InvalidRequestError: The batch is too large; nothing was created.
        """
        if len(drafts) > MAX_BATCH:
            problem = f"must be at most {MAX_BATCH}, not {len(drafts)}"
            raise InvalidRequestError([Violation("requests", problem)])
        quota = self._quotas.current()
        defaults = quota.default_demand
        validated = [self._accept(draft, quota, defaults) for draft in drafts]
        if not any(isinstance(each, NewTask) for each in validated):
            return [each for each in validated if isinstance(each, TeskError)]
        results = self._store.write(lambda tx: self._add(tx, validated, quota))
        self._leader.notify(urgent=False)
        return results

    def _accept(
        self, draft: Draft, quota: Quota, defaults: Demand
    ) -> NewTask | TeskError:
        task_id = self._ids.task_id()
        return self._acceptance.accept(
            draft,
            quota,
            defaults=defaults,
            task_id=task_id,
            namespace=self._namespace_of(task_id),
        )

    def _add(
        self, tx: Transaction, validated: Sequence[NewTask | TeskError], quota: Quota
    ) -> list[TaskId | TeskError]:
        tasks = [each for each in validated if isinstance(each, NewTask)]
        keys = {(task.owner, task.idempotency_key) for task in tasks}
        known: dict[tuple[str, str], TaskId | TeskError] = {
            **tx.task_ids_by_key({key for key in keys if key[1]})
        }
        fresh: list[NewTask] = []
        seen = set(known)
        for task in tasks:
            key = (task.owner, task.idempotency_key)
            if key not in seen:
                fresh.append(task)
                if task.idempotency_key:
                    seen.add(key)
        refusals = (
            _refusals(tx, fresh, quota) if self._are_queues_limited(quota) else {}
        )
        added = [task for task in fresh if task.id not in refusals]
        tx.add_tasks(added)
        for task in added:
            tx.announce(_created(task))
        for task in fresh:
            if task.idempotency_key:
                result = refusals.get(task.id, task.id)
                known[task.owner, task.idempotency_key] = result
        return [
            each
            if isinstance(each, TeskError)
            else known.get(
                (each.owner, each.idempotency_key), refusals.get(each.id, each.id)
            )
            for each in validated
        ]

    def _are_queues_limited(self, quota: Quota) -> bool:
        """Look through all limits once for each quota."""
        if self._limited[0] is not quota:
            by_name = (quota.users, quota.groups, quota.namespaces)
            limits = chain([quota.everybody], *(each.values() for each in by_name))
            self._limited = (quota, any(limit[QUEUED] < inf for limit in limits))
        return self._limited[1]


def _refusals(
    tx: Transaction, tasks: Sequence[NewTask], quota: Quota
) -> dict[TaskId, TeskError]:
    """Return the tasks that are too many, each with its refusal."""
    batch = [task.subjects for task in tasks]
    usage = tx.usage({subject for subjects in batch for subject in subjects})
    problems = queue_problems(batch, usage, quota)
    return {
        task.id: ResourceExhaustedError(problem, RETRY_AFTER)
        for task, problem in zip(tasks, problems, strict=True)
        if problem
    }


def _created(task: NewTask) -> TaskCreated:
    return TaskCreated(
        task_id=task.id,
        user=task.owner,
        group=task.group or "",
        request_id=task.request_id,
    )
