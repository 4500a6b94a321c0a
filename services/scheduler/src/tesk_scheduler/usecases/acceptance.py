"""Decides whether a task that a caller wants is accepted, but for the queue's length.

The same for one that is created and for one that is only checked.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tesk_model.attempt_parameters import (
    given_parameters,
    parameter_violations,
    parse_parameters,
)
from tesk_model.errors import InvalidRequestError, TeskError, Violation
from tesk_model.task import TaskId
from tesk_scheduler.domain import bounds
from tesk_scheduler.domain.attempt_rules import AttemptRules
from tesk_scheduler.domain.callers import Caller
from tesk_scheduler.domain.charging import charged_subjects, demand_of
from tesk_scheduler.domain.deadlines import first_due
from tesk_scheduler.domain.limits import executor_problems, submission_problems
from tesk_scheduler.domain.priorities import priority_of
from tesk_scheduler.domain.quota import Demand, Quota, SubjectKind
from tesk_scheduler.domain.records import Document, NewTask
from tesk_scheduler.domain.webhooks.targets import webhook_of
from tesk_scheduler.ports.environment import Clock
from tesk_scheduler.ports.webhooks import NO_WEBHOOKS, TargetSource
from tesk_scheduler.usecases.call_cache import CallCache

MAX_KEY_LENGTH = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A task that a caller wants to create.

    Attributes:
        executors: Number of them.
        resources: What it asks for, by the names of the fields.
        gpu_type: Of the GPUs that it asks for; "" for any, or none.
        warnings: First lines of its ``system_logs``.
        problems: What is wrong with what it asks for.
        parameters: Its backend parameters.
    """

    caller: Caller
    document: Document
    executors: int
    name: str | None
    tags: dict[str, str]
    resources: Mapping[str, float]
    idempotency_key: str
    warnings: tuple[str, ...]
    gpu_type: str = ""
    problems: Sequence[Violation] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """Checks drafts.

    Attributes:
        rules: Returns the rules for attempts that are in force.
        call_cache: Gives accepted tasks their keys.
        webhooks: Whose receivers tasks may name.
    """

    clock: Clock
    rules: Callable[[], AttemptRules]
    call_cache: CallCache = field(default_factory=CallCache)
    webhooks: TargetSource = NO_WEBHOOKS

    def accept(
        self,
        draft: Draft,
        quota: Quota,
        *,
        defaults: Demand,
        task_id: TaskId,
        namespace: str,
    ) -> NewTask | TeskError:
        """Return the task to store, or why it is refused.

        Args:
            draft: What is wanted.
            quota: In force.
            defaults: What is charged for fields that are unset.
            task_id: Of the task, if it is created.
            namespace: In which it would run; "" if there are none.
        """
        if len(draft.idempotency_key) > MAX_KEY_LENGTH:
            problem = f"must be at most {MAX_KEY_LENGTH} characters"
            return _invalid("idempotency_key", problem)
        if problems := [*draft.problems, *_size_problems(draft)]:
            return InvalidRequestError(problems)
        try:
            demand = demand_of(draft.resources, defaults)
        except ValueError as error:
            return _invalid("resources", str(error))
        owner = draft.caller.user
        subjects = charged_subjects(
            owner,
            draft.caller.groups,
            quota,
            namespace=namespace,
            gpu_type=draft.gpu_type,
        )
        priority = priority_of(draft.tags, subjects, quota)
        problems = [
            *parameter_violations(draft.parameters),
            *executor_problems(draft.executors, quota),
            *submission_problems(demand, subjects, quota),
            *self._webhook_problems(draft),
        ]
        if problems:
            return InvalidRequestError(problems)
        now, rules = self.clock.now(), self.rules()
        parameters = given_parameters(draft.parameters)
        asked = parse_parameters(parameters)
        groups = (each.name for each in subjects if each.kind is SubjectKind.GROUP)
        group = next(groups, None)
        return NewTask(
            id=task_id,
            owner=owner,
            group=group,
            groups=draft.caller.groups,
            namespace=namespace,
            gpu_type=draft.gpu_type,
            demand=demand,
            name=draft.name,
            tags=draft.tags,
            document=draft.document,
            created_at=now,
            idempotency_key=draft.idempotency_key,
            request_id=draft.caller.request_id,
            lines=(
                *draft.warnings,
                *rules.retries.warnings(asked),
                *filter(None, [priority.note]),
            ),
            priority=priority.value,
            parameters=parameters,
            due_at=first_due(now, asked, rules.times),
            call=self.call_cache.new_call(
                draft.document, owner=owner, group=group, demand=demand
            ),
            webhook=webhook_of(draft.parameters),
        )

    def _webhook_problems(self, draft: Draft) -> Iterable[Violation]:
        named, caller = webhook_of(draft.parameters), draft.caller
        if not named:
            return ()
        return self.webhooks.current().problems(named, caller.user, caller.groups)


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
