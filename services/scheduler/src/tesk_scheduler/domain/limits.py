"""What a submission may ask for, and the words in which limits are told.

A task that alone exceeds a limit could never run, so that it is refused at
once; too many queued tasks pass, so that the client may come back later.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from tesk_model.errors import Violation
from tesk_model.quantities import byte_words, gib_from_bytes, number_words
from tesk_scheduler.domain.quota import (
    Demand,
    Limit,
    Quota,
    Subject,
    SubjectKind,
    Usage,
    limit_of,
)

_THERE_IS = "that there is"


class Amount(Enum):
    """One kind of thing that a task takes; the value is its index in Amounts."""

    RUNNING = 0
    CPU = 1
    RAM = 2
    DISK = 3


class Amounts(NamedTuple):
    """What is taken or allowed, by Amount: tasks, thousandths of a core, bytes.

    In a limit a missing bound is infinite.
    """

    running: float
    cpu_millis: float
    ram: float
    disk: float


def demanded_amounts(demand: Demand) -> Amounts:
    """Return what one task takes."""
    return Amounts(1, demand.cpu_millis, demand.ram, demand.disk)


def used_amounts(usage: Usage) -> Amounts:
    """Return what is in use."""
    return Amounts(usage.running, usage.cpu_millis, usage.ram, usage.disk)


def limit_amounts(limit: Limit) -> Amounts:
    """Return the bounds of ``limit``."""
    bounds = (limit.running, limit.cpu_millis, limit.ram, limit.disk)
    return Amounts(*(float("inf") if bound is None else bound for bound in bounds))


def subject_words(subject: Subject) -> str:
    """Name a subject for people: ``alice``, ``group genomics``, ``all tasks``.

    Where the service does not ask who calls, there is one user without a
    name, who has all tasks.
    """
    if subject.kind is SubjectKind.GROUP:
        return f"group {subject.name}"
    return subject.name or "all tasks"


def amount_words(amount: Amount, value: float) -> str:
    """Write an amount for people, without its noun: ``0.5``, ``16 GiB``."""
    match amount:
        case Amount.RUNNING:
            return number_words(value)
        case Amount.CPU:
            return number_words(value / 1000)
        case Amount.RAM | Amount.DISK:
            return byte_words(round(value))


def submission_problems(
    demand: Demand, subjects: Sequence[Subject], quota: Quota
) -> list[Violation]:
    """Say why a task could never be queued or never run.

    Returns:
        One violation for each field of the task that asks for too much, which
        names the tightest limit; and one for each subject that may have no
        tasks at all.
    """
    banned = [
        Violation("", _not_allowed(subject, "queue", "accepted"))
        for subject in subjects
        if limit_of(subject, quota).queued == 0
    ]
    return banned + fit_problems(demand, subjects, quota)


def fit_problems(
    demand: Demand, subjects: Sequence[Subject], quota: Quota
) -> list[Violation]:
    """Say why a task could not run even if nothing else did."""
    holders = [(_may_use(subject), limit_of(subject, quota)) for subject in subjects]
    problems = [
        Violation("", _not_allowed(subject, "run", "run"))
        for subject in subjects
        if limit_of(subject, quota).running == 0
    ]
    bounds = [
        ("that one task may use", limit_amounts(quota.per_task)),
        *((words, limit_amounts(limit)) for words, limit in holders),
        (_THERE_IS, limit_amounts(quota.capacity)),
    ]
    asked = demanded_amounts(demand)
    for amount in (Amount.CPU, Amount.RAM, Amount.DISK):
        words, tightest = min(bounds, key=lambda bound: bound[1][amount.value])
        value, most = asked[amount.value], tightest[amount.value]
        if value > most:
            problems.append(_too_large(amount, value=value, most=most, whose=words))
    return problems


def _may_use(subject: Subject) -> str:
    if subject.name == "":
        return "that all tasks together may use"
    return f"that {subject_words(subject)} may use"


def _not_allowed(subject: Subject, active: str, passive: str) -> str:
    if subject.name == "":
        return f"no tasks are {passive}"
    return f"{subject_words(subject)} may not {active} tasks"


def _plural(whose: str) -> str:
    return "that there are" if whose == _THERE_IS else whose


def _too_large(amount: Amount, *, value: float, most: float, whose: str) -> Violation:
    if amount is Amount.CPU:
        asked, allowed = number_words(value / 1000), number_words(most / 1000)
        noun, whose = ("core", whose) if allowed == "1" else ("cores", _plural(whose))
        return Violation(
            "resources.cpu_cores", f"{asked} exceeds the {allowed} {noun} {whose}"
        )
    path, noun = {
        Amount.RAM: ("resources.ram_gb", "memory"),
        Amount.DISK: ("resources.disk_gb", "disk"),
    }[amount]
    asked, allowed = (
        number_words(gib_from_bytes(round(count))) for count in (value, most)
    )
    return Violation(path, f"{asked} exceeds the {allowed} GiB of {noun} {whose}")


def queue_problems(
    batch: Sequence[Sequence[Subject]], usage: Mapping[Subject, Usage], quota: Quota
) -> list[str | None]:
    """Judge tasks that arrive together; each that may be queued counts for the next.

    Args:
        batch: For each task, who is charged for it.
        usage: Before the batch; a subject that is absent uses nothing.
        quota: The limits.

    Returns:
        For each task why it may not be queued, or None if it may.
    """
    most = {
        subject: limit_of(subject, quota).queued
        for subjects in batch
        for subject in subjects
    }
    queued = Counter(
        {subject: usage[subject].queued for subject in most if subject in usage}
    )
    verdicts: list[str | None] = []
    for subjects in batch:
        verdict = next(
            (
                _too_many(subject, queued=queued[subject], most=bound)
                for subject in subjects
                if (bound := most[subject]) is not None and queued[subject] >= bound
            ),
            None,
        )
        if verdict is None:
            queued.update(subjects)
        verdicts.append(verdict)
    return verdicts


def _too_many(subject: Subject, *, queued: int, most: int) -> str:
    if subject.name == "":
        return f"{queued} of {most} tasks are queued"
    return f"{subject_words(subject)} has {queued} of {most} tasks queued"
