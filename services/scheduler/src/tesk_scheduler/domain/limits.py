"""Checks submissions against the limits.

A task that alone exceeds a limit could never run and is refused for good; too many
queued tasks are a temporary refusal, after which the client may retry.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tesk_model.errors import Violation
from tesk_model.quantities import format_number
from tesk_scheduler.domain.charging import gpu_type_of, limit_of
from tesk_scheduler.domain.dimensions import (
    ASKED,
    GPU,
    QUEUED,
    RUNNING,
    Dimension,
    TaskField,
)
from tesk_scheduler.domain.quota import (
    EVERYBODY,
    NOTHING,
    Amounts,
    Demand,
    Limit,
    Quota,
    Subject,
    SubjectKind,
    Usage,
)

_THERE_IS = "that there is"


def format_subject(subject: Subject) -> str:
    """Format a subject for people: ``alice``, ``group genomics``, ``all tasks``.

    A service without authentication has one user without a name, who owns all
    tasks. What is counted of a subject, such as GPUs of one type, is left out.
    """
    if subject.kind in (SubjectKind.GROUP, SubjectKind.NAMESPACE):
        return f"{subject.kind} {subject.name}"
    return subject.name or "all tasks"


def format_gpu_type(gpu_type: str) -> str:
    """Format what follows a number of GPUs: `` of type a100``; "" for any type."""
    return f" of type {gpu_type}" if gpu_type else ""


class _Bound(NamedTuple):
    """Whose limit it is, as in "that alice may use"; of GPUs of one type, or of all.

    Attributes:
        kept: What guaranteed shares of others have taken off the limit.
    """

    whose: str
    limit: Limit
    gpu_type: str = ""
    kept: Amounts = NOTHING

    def without(self, kept: Amounts) -> "_Bound":
        """Return what of it is left beside what is kept for others."""
        if kept == NOTHING:
            return self
        left = self.limit.plus(kept, times=-1).at_least(NOTHING)
        return self._replace(limit=left, kept=kept)


def executor_problems(executors: int, quota: Quota) -> list[Violation]:
    """List what one task may not have, beside amounts."""
    most = quota.task.executors
    if most is None or executors <= most:
        return []
    noun = "executor" if most == 1 else "executors"
    text = f"{executors:,} exceeds the {most:,} {noun} that one task may have"
    return [Violation("executors", text)]


def submission_problems(
    demand: Demand, subjects: Sequence[Subject], quota: Quota
) -> list[Violation]:
    """List why a task could never be queued or never run.

    Returns:
        One violation for each field of the task that asks for too much, which
        names the tightest limit; and one for each subject that may have no
        tasks at all.
    """
    banned = [
        Violation("", _not_allowed(subject, "queue", "accepted"))
        for subject in subjects
        if limit_of(subject, quota)[QUEUED] == 0
    ]
    return banned + fit_problems(demand, subjects, quota)


def fit_problems(
    demand: Demand, subjects: Sequence[Subject], quota: Quota
) -> list[Violation]:
    """List why a task could not run even if no other task did."""
    problems = [
        Violation("", _not_allowed(subject, "run", "run"))
        for subject in subjects
        if limit_of(subject, quota)[RUNNING] == 0
    ]
    bounds = list(_bounds(subjects, quota))
    for dimension in ASKED:
        tightest = min(bounds, key=lambda bound: bound.limit[dimension])
        if dimension.field and demand[dimension] > tightest.limit[dimension]:
            problems.append(_too_large(dimension, dimension.field, demand, tightest))
    return problems


def _bounds(subjects: Sequence[Subject], quota: Quota) -> Iterator[_Bound]:
    kept = quota.kept.always_from(subjects)
    yield _Bound("that one task may use", quota.per_task)
    for subject in subjects:
        bound = _Bound(_may_use(subject), limit_of(subject, quota), subject.gpu_type)
        yield bound.without(kept) if subject == EVERYBODY else bound
    yield _Bound(_THERE_IS, quota.capacity).without(kept)
    if gpu_type := gpu_type_of(subjects):
        for whose, types in (
            ("that one task may use", quota.task.gpu_types),
            (_THERE_IS, quota.capacity_gpu_types),
        ):
            yield _Bound(whose, Limit(gpu=types.get(gpu_type)), gpu_type)


def most_of_one(subjects: Sequence[Subject], quota: Quota) -> Limit:
    """Return the most that one task may take, whatever else runs."""
    most = Limit()
    for bound in _bounds(subjects, quota):
        most = most.at_most(bound.limit)
    return most


def _may_use(subject: Subject) -> str:
    if subject.name == "":
        return "that all tasks together may use"
    return f"that {format_subject(subject)} may use"


def _not_allowed(subject: Subject, active: str, passive: str) -> str:
    if subject.name == "":
        return f"no tasks are {passive}"
    return f"{format_subject(subject)} may not {active} tasks"


def _too_large(
    dimension: Dimension, field: TaskField, demand: Demand, bound: _Bound
) -> Violation:
    number = dimension.unit.number
    asked = format_number(number(demand[dimension]))
    allowed = format_number(number(bound.limit[dimension]))
    noun, whose = field.singular if allowed == "1" else field.plural, bound.whose
    if whose == _THERE_IS and noun != field.singular:
        whose = "that there are"
    if dimension is GPU:
        noun += format_gpu_type(bound.gpu_type)
    text = f"{asked} exceeds the {allowed} {noun} {whose}"
    if bound.kept[dimension]:
        kept = format_number(number(bound.kept[dimension]))
        text += f" beside {kept} kept for guaranteed shares of others"
    return Violation(field.path, text)


def queue_problems(
    batch: Sequence[Sequence[Subject]], usage: Mapping[Subject, Usage], quota: Quota
) -> list[str | None]:
    """Check tasks that arrive together; each accepted one counts for the next.

    Args:
        batch: For each task, who is charged for it.
        usage: Before the batch; a subject that is absent uses nothing.
        quota: The limits.

    Returns:
        For each task why it may not be queued, or None if it may.
    """
    most = {
        subject: limit_of(subject, quota)[QUEUED]
        for subjects in batch
        for subject in subjects
    }
    queued = Counter(
        {subject: usage[subject][QUEUED] for subject in most if subject in usage}
    )
    problems: list[str | None] = []
    for subjects in batch:
        problem = next(
            (
                _too_many(subject, queued=queued[subject], most=most[subject])
                for subject in subjects
                if queued[subject] >= most[subject]
            ),
            None,
        )
        if problem is None:
            queued.update(subjects)
        problems.append(problem)
    return problems


def _too_many(subject: Subject, *, queued: float, most: float) -> str:
    if subject.name == "":
        return f"{queued} of {most} tasks are queued"
    return f"{format_subject(subject)} has {queued} of {most} tasks queued"
