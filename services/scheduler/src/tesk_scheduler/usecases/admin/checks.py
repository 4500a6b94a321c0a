"""Checks what operators send, and names what they do for the audit log."""

from collections.abc import Sequence

from tesk_model.errors import ConflictError, InvalidRequestError, Violation
from tesk_scheduler.domain.occurrences import OperatorActed
from tesk_scheduler.domain.quota import EVERYBODY, Subject
from tesk_scheduler.domain.verification import Finding
from tesk_scheduler.ports.store import TaskStore

MAX_TASKS = 200
_MAX_OPERATOR = 128


def check_operator(name: str) -> None:
    """Refuse an operator without a name.

    Raises:
        InvalidRequestError: The name is empty, too long or not printable.
    """
    check_line("operator", name, _MAX_OPERATOR)


def check_line(field: str, text: str, most: int) -> None:
    """Refuse what is no line of text.

    Raises:
        InvalidRequestError: It is empty, longer than ``most`` or not printable.
    """
    if not text.strip() or len(text) > most or not text.isprintable():
        problem = f"must be one line of 1 to {most} printable characters"
        raise InvalidRequestError([Violation(field, problem)])


def check_number_of_tasks(ids: Sequence[str]) -> None:
    """Refuse too many tasks at once.

    Raises:
        InvalidRequestError: There are more than ``MAX_TASKS``.
    """
    if len(ids) > MAX_TASKS:
        problem = f"must be at most {MAX_TASKS}, not {len(ids)}"
        raise InvalidRequestError([Violation("task_ids", problem)])


def present_epoch(store: TaskStore) -> int:
    """Return the epoch of the leader, which fences repairs.

    Raises:
        ConflictError: No scheduler has led yet.
    """
    leader = store.leader()
    if leader is None:
        raise ConflictError("no scheduler leads yet")
    return leader.epoch


def repaired(operator: str, finding: Finding) -> OperatorActed:
    """Return that a finding is repaired, for the audit log."""
    return OperatorActed(
        operator=operator,
        action="verify",
        target=finding.name,
        detail=f"{finding.kind.value}: {finding.text}; {finding.repair}",
    )


def target_of(subject: Subject) -> str:
    """Name a subject for the audit log."""
    if subject == EVERYBODY:
        return "all tasks"
    return f"{subject.kind.value} {subject.name}"
