"""Creates tasks: a batch in one transaction, each task accepted or refused alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import inf

from tesk_model.errors import (
    InvalidRequestError,
    ResourceExhaustedError,
    TeskError,
    Violation,
)
from tesk_model.task import TaskId
from tesk_scheduler.domain import bounds
from tesk_scheduler.domain.callers import Caller
from tesk_scheduler.domain.dimensions import QUEUED
from tesk_scheduler.domain.limits import queue_problems, submission_problems
from tesk_scheduler.domain.occurrences import TaskCreated
from tesk_scheduler.domain.quota import (
    Demand,
    Quota,
    SubjectKind,
    charged_subjects,
    demand_of,
)
from tesk_scheduler.domain.records import Document, NewTask, subjects_of
from tesk_scheduler.ports.environment import Clock, IdGenerator
from tesk_scheduler.ports.store import TaskStore, Transaction
from tesk_scheduler.usecases.notifier import LeaderWakeup

MAX_BATCH = 256
MAX_KEY_LENGTH = 128

_RETRY_AFTER = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A task that a caller wants to create.

    Attributes:
        executors: Number of them.
        resources: What it asks for, by the names of the fields.
        warnings: First lines of its ``system_logs``.
    """

    caller: Caller
    document: Document
    executors: int
    name: str | None
    tags: dict[str, str]
    resources: Mapping[str, float]
    idempotency_key: str
    warnings: tuple[str, ...]


class Submission:
    """Creates tasks."""

    def __init__(
        self,
        *,
        store: TaskStore,
        clock: Clock,
        ids: IdGenerator,
        quota: Quota,
        defaults: Demand,
        leader: LeaderWakeup,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._quota = quota
        self._defaults = defaults
        self._leader = leader
        limits = (quota.everybody, *quota.users.values(), *quota.groups.values())
        self._queues_are_limited = any(limit[QUEUED] < inf for limit in limits)

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
        validated = [self._validate(draft) for draft in drafts]
        if not any(isinstance(each, NewTask) for each in validated):
            return [each for each in validated if isinstance(each, TeskError)]
        results = self._store.write(lambda tx: self._add(tx, validated))
        self._leader.notify(urgent=False)
        return results

    def _validate(self, draft: Draft) -> NewTask | TeskError:
        owner = draft.caller.user
        if len(draft.idempotency_key) > MAX_KEY_LENGTH:
            return _invalid(
                "idempotency_key", f"must be at most {MAX_KEY_LENGTH} characters"
            )
        if problems := _size_problems(draft):
            return InvalidRequestError(problems)
        try:
            demand = demand_of(draft.resources, self._defaults)
        except ValueError as error:
            return _invalid("resources", str(error))
        subjects = charged_subjects(owner, draft.caller.groups, self._quota)
        problems = submission_problems(demand, subjects, self._quota)
        if problems:
            return InvalidRequestError(problems)
        groups = (each.name for each in subjects if each.kind is SubjectKind.GROUP)
        return NewTask(
            id=self._ids.task_id(),
            owner=owner,
            group=next(groups, None),
            groups=draft.caller.groups,
            demand=demand,
            name=draft.name,
            tags=draft.tags,
            document=draft.document,
            created_at=self._clock.now(),
            idempotency_key=draft.idempotency_key,
            request_id=draft.caller.request_id,
            lines=draft.warnings,
        )

    def _add(
        self, tx: Transaction, validated: Sequence[NewTask | TeskError]
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
        refusals = self._refusals(tx, fresh)
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

    def _refusals(
        self, tx: Transaction, tasks: Sequence[NewTask]
    ) -> dict[TaskId, TeskError]:
        if not self._queues_are_limited:
            return {}
        batch = [subjects_of(task.owner, task.group) for task in tasks]
        usage = tx.usage({subject for subjects in batch for subject in subjects})
        problems = queue_problems(batch, usage, self._quota)
        return {
            task.id: ResourceExhaustedError(problem, _RETRY_AFTER)
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


def _size_problems(draft: Draft) -> list[Violation]:
    """List what exceeds the bounds of a stored task."""
    amounts = (
        ("", "bytes", len(draft.document), bounds.DOCUMENT_BYTES),
        ("executors", "entries", draft.executors, bounds.EXECUTORS),
        ("tags", "entries", len(draft.tags), bounds.TAGS),
    )
    return [
        Violation(path, f"must be at most {most:,} {unit}, not {amount:,}")
        for path, unit, amount, most in amounts
        if amount > most
    ]


def _invalid(path: str, message: str) -> InvalidRequestError:
    return InvalidRequestError([Violation(path, message)])
