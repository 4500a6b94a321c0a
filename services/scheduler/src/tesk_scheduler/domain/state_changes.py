"""Defines the feed of state changes: who follows tasks reads what he has not seen.

Each change has a number; they are numbered in the order in which they become visible,
without gaps, so that whoever has read up to one misses none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from tesk_model.reasons import ReasonCode
from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.domain.records import Micros, NewTask, TaskRecord


class Position(NamedTuple):
    """A place in the feed: after the change with this number and time.

    The time tells changes of one number in two databases apart, of which one was
    restored from a copy of the other.
    """

    number: int
    time: Micros


BEGINNING = Position(0, Micros(0))
NAME_LENGTH = 256
"""Characters of a name that a change tells; a name may be as large as a task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewChange:
    """A change to be stored.

    Attributes:
        task: ``seq`` of the task.
        reason: Only of the end of a task, or ``NONE``.
    """

    task: int
    task_id: TaskId
    owner: str
    state: TaskState
    attempt: int
    reason: ReasonCode
    time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeFilter:
    """Which changes somebody follows; as ``TaskQuery``.

    Attributes:
        owner: None for tasks of all owners.
        state: Only changes to this one.
        tags: Pairs that must all be there; an empty value means any.
    """

    owner: str | None
    name_prefix: str = ""
    state: TaskState | None = None
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredChange:
    """A change as it was stored.

    Attributes:
        position: Of the feed after it.
        task: ``seq`` of the task.
        name: The first characters of that of the task; None if it has none, or was deleted meanwhile.
        matched: Indices of the filters that it matches, ascending.
    """

    position: Position
    task: int
    task_id: TaskId
    owner: str
    name: str | None
    state: TaskState
    attempt: int
    reason: ReasonCode
    matched: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePage:
    """Some changes, in order.

    Attributes:
        changes: Those that match a filter.
        position: Of the feed after all that was looked at; go on there.
        has_more: There are others already.
        is_expired: Not all of what came after the given position is still stored, or
            it is none of this store; ``position`` is the end of the feed then.
    """

    changes: Sequence[StoredChange]
    position: Position
    has_more: bool = False
    is_expired: bool = False


def creations(
    tasks: Sequence[NewTask], seqs: Mapping[TaskId, int], state: TaskState
) -> list[NewChange]:
    """Return the changes that new tasks are.

    Args:
        tasks: In order.
        seqs: Of the tasks.
        state: The first one.
    """
    return [
        NewChange(
            task=seqs[task.id],
            task_id=task.id,
            owner=task.owner,
            state=state,
            attempt=0,
            reason=ReasonCode.NONE,
            time=task.created_at,
        )
        for task in tasks
    ]


def change_of(before: TaskRecord, after: TaskRecord) -> NewChange | None:
    """Return the change of state between two records; None if there is none."""
    if after.state is before.state:
        return None
    return NewChange(
        task=after.seq,
        task_id=after.id,
        owner=after.owner,
        state=after.state,
        attempt=after.attempt,
        reason=after.reason.code if after.state.is_final else ReasonCode.NONE,
        time=after.state_changed_at or after.ended_at or after.queued_at,
    )
