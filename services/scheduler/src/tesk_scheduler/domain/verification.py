"""Finds what counters, tasks, taskmasters and cluster disagree about; pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tesk_model.names import Attempt
from tesk_model.reasons import ReasonCode
from tesk_model.states import TaskState
from tesk_scheduler.domain.deadlines import TimeLimits, with_due
from tesk_scheduler.domain.dimensions import DIMENSIONS
from tesk_scheduler.domain.fleet import Taskmaster
from tesk_scheduler.domain.limits import format_subject
from tesk_scheduler.domain.quota import Subject, Usage
from tesk_scheduler.domain.records import ACTIVE_STATES, TaskRecord
from tesk_scheduler.domain.transitions import requeued, with_state


class FindingKind(StrEnum):
    """The kinds of disagreement."""

    USAGE = "USAGE"
    USAGE_UNREADABLE = "USAGE_UNREADABLE"
    TASK_STRANDED = "TASK_STRANDED"
    TASKMASTER_UNKNOWN = "TASKMASTER_UNKNOWN"
    TASKMASTER_MISSING = "TASKMASTER_MISSING"
    OBJECT_LEFT = "OBJECT_LEFT"
    NOT_CHECKED = "NOT_CHECKED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One disagreement.

    Attributes:
        name: What is wrong.
        repair: What repairs it; "" if nothing does, or it repairs itself.
        fixed: The repair was done.
    """

    kind: FindingKind
    name: str
    text: str
    repair: str = ""
    fixed: bool = False


def usage_differences(
    counted: Mapping[Subject, Usage], counters: Mapping[Subject, Usage]
) -> Mapping[Subject, Usage]:
    """Return what the counters should be, for the subjects whose counters differ.

    Args:
        counted: Usage by the tasks; who is absent uses nothing.
        counters: As stored, likewise.
    """
    nothing = Usage()
    return {
        subject: counted.get(subject, nothing)
        for subject in sorted(counted.keys() | counters.keys())
        if counted.get(subject, nothing) != counters.get(subject, nothing)
    }


def usage_findings(
    right: Mapping[Subject, Usage], counters: Mapping[Subject, Usage]
) -> list[Finding]:
    """Describe the counters that differ."""
    return [
        Finding(
            kind=FindingKind.USAGE,
            name=format_subject(subject),
            text="; ".join(_differences(counters.get(subject, Usage()), usage)),
            repair="set the counters to what the tasks use",
        )
        for subject, usage in right.items()
    ]


def unreadable_finding(name: str) -> Finding:
    """Describe a counter that is of no subject."""
    return Finding(
        kind=FindingKind.USAGE_UNREADABLE,
        name=name,
        text="a counter has this key, which no user, group or namespace can have",
        repair="delete it",
    )


def _differences(before: Usage, after: Usage) -> list[str]:
    return [
        f"{each.setting}: {each.unit.format(before[each])} is counted,"
        f" the tasks use {each.unit.format(after[each])}"
        for each in DIMENSIONS
        if before[each] != after[each]
    ]


STRANDED_LINE = "an operator freed the task: it was in progress, and nothing had it"


def is_stranded(record: TaskRecord) -> bool:
    """Tell whether a task is in progress without an attempt that could go on or end."""
    return record.state in ACTIVE_STATES and record.released


def freed(record: TaskRecord, limits: TimeLimits, now: datetime) -> TaskRecord:
    """Queue a stranded task again; one that was to be canceled is."""
    if record.state is TaskState.CANCELING:
        return with_state(record, TaskState.CANCELED, now, cause=ReasonCode.CANCELED)
    return with_due(requeued(record, now).replaced(taskmaster=None), limits)


def stranded_finding(record: TaskRecord) -> Finding:
    """Describe a stranded task."""
    ends = record.state is TaskState.CANCELING
    return Finding(
        kind=FindingKind.TASK_STRANDED,
        name=record.id,
        text=f"it is {record.state.value}, and its attempt is released or never was",
        repair="end it as canceled" if ends else "put it back into the queue",
    )


def unknown_taskmasters(
    seen: Collection[str], members: Sequence[Taskmaster]
) -> list[Finding]:
    """Describe taskmasters that run, or left something, and are not in the store."""
    known = {member.id for member in members}
    return [
        Finding(
            kind=FindingKind.TASKMASTER_UNKNOWN,
            name=name,
            text="it is not in the database",
            repair="end it; what it runs is not touched",
        )
        for name in sorted(set(seen) - known)
    ]


def missing_taskmasters(
    alive: Collection[str], members: Sequence[Taskmaster], now: datetime
) -> list[Finding]:
    """Describe taskmasters of the store that do not run; the leader replaces them."""
    return [
        Finding(
            kind=FindingKind.TASKMASTER_MISSING,
            name=member.id,
            text=f"it does not run and has {member.assigned} attempts; the leader"
            f" reassigns them {_when(member, now)}",
        )
        for member in members
        if member.seen and member.id not in alive
    ]


def _when(member: Taskmaster, now: datetime) -> str:
    left = max(0, round((member.lease_until - now).total_seconds()))
    return f"in {left} s at the latest, when its lease has ended" if left else "now"


def is_left_over(attempt: Attempt, known: tuple[int, bool] | None) -> bool:
    """Tell whether objects of an attempt can never be needed again.

    Args:
        attempt: To which they belong.
        known: Number of the latest attempt of its task, and whether that is released;
            None if there is no such task. Read after the objects were listed, since
            an attempt is stored before its objects are made.
    """
    if known is None:
        return True
    latest, is_released = known
    # An earlier attempt was released before the next began. A later one is of a
    # database that was replaced by an older one.
    return attempt.number != latest or is_released


def left_over_finding(kind: str, name: str, known: tuple[int, bool] | None) -> Finding:
    """Describe an object that is left over."""
    why = "its task is unknown" if known is None else "its attempt is released"
    return Finding(
        kind=FindingKind.OBJECT_LEFT,
        name=f"{kind} {name}",
        text=why,
        repair="delete it with all that its attempt has",
    )
