"""Checks submissions against the limits.

A task that alone exceeds a limit could never run and is refused for good; too many
queued tasks are a temporary refusal, after which the client may retry.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from tesk_model.errors import Violation
from tesk_model.quantities import format_number
from tesk_scheduler.domain.dimensions import (
    ASKED,
    QUEUED,
    RUNNING,
    Dimension,
    TaskField,
)
from tesk_scheduler.domain.quota import (
    Demand,
    Quota,
    Subject,
    SubjectKind,
    Usage,
    limit_of,
)

_THERE_IS = "that there is"


def format_subject(subject: Subject) -> str:
    """Format a subject for people: ``alice``, ``group genomics``, ``all tasks``.

    A service without authentication has one user without a name, who owns all
    tasks.
    """
    if subject.kind is SubjectKind.GROUP:
        return f"group {subject.name}"
    return subject.name or "all tasks"


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
    holders = [(_may_use(subject), limit_of(subject, quota)) for subject in subjects]
    problems = [
        Violation("", _not_allowed(subject, "run", "run"))
        for subject in subjects
        if limit_of(subject, quota)[RUNNING] == 0
    ]
    bounds = [
        ("that one task may use", quota.per_task),
        *holders,
        (_THERE_IS, quota.capacity),
    ]
    for dimension in ASKED:
        whose, tightest = min(bounds, key=lambda bound: bound[1][dimension])
        value, most = demand[dimension], tightest[dimension]
        if dimension.field and value > most:
            problems.append(
                _too_large(
                    dimension, dimension.field, value=value, most=most, whose=whose
                )
            )
    return problems


def _may_use(subject: Subject) -> str:
    if subject.name == "":
        return "that all tasks together may use"
    return f"that {format_subject(subject)} may use"


def _not_allowed(subject: Subject, active: str, passive: str) -> str:
    if subject.name == "":
        return f"no tasks are {passive}"
    return f"{format_subject(subject)} may not {active} tasks"


def _too_large(
    dimension: Dimension, field: TaskField, *, value: float, most: float, whose: str
) -> Violation:
    number = dimension.unit.number
    asked, allowed = format_number(number(value)), format_number(number(most))
    noun = field.singular if allowed == "1" else field.plural
    if whose == _THERE_IS and noun != field.singular:
        whose = "that there are"
    return Violation(
        f"resources.{field.name}", f"{asked} exceeds the {allowed} {noun} {whose}"
    )


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
