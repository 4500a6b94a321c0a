"""Requests of clients, parsed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from tesk_model.states import TaskState
from tesk_model.task import Task, TaskView

TaskT_co = TypeVar("TaskT_co", covariant=True)

DEFAULT_PAGE_SIZE = 256
# The specification: "must be less than 2048".
MAX_PAGE_SIZE = 2047


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The user, or the administrator, who makes a request.

    Attributes:
        user: Owner of the tasks that the caller creates; empty in open mode.
        admin: Sees and cancels every task.
        request_id: Id of this request in the logs of every service.
    """

    user: str = ""
    groups: tuple[str, ...] = ()
    admin: bool = False
    request_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """A valid task to create.

    Attributes:
        warnings: Lines for ``system_logs``: what was dropped from the request.
        idempotency_key: The client's own; empty if it sent none.
    """

    task: Task
    warnings: tuple[str, ...] = ()
    idempotency_key: str = ""


@dataclass(frozen=True, slots=True)
class TagCondition:
    """One condition on tags; an empty value accepts any value."""

    key: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskQuery:
    """The conditions of tasks to list; all must hold.

    Attributes:
        explain: Say of queued tasks what they wait for.
    """

    view: TaskView = TaskView.MINIMAL
    name_prefix: str = ""
    state: TaskState | None = None
    tags: tuple[TagCondition, ...] = ()
    page_size: int = DEFAULT_PAGE_SIZE
    page_token: str = ""
    explain: bool = False


@dataclass(frozen=True, slots=True)
class Subscription:
    """Which changes of states somebody follows.

    Attributes:
        caller: Whose tasks; without ``request_id``.
        query: Its filters; a state is one that tasks came into.
    """

    caller: Caller
    query: TaskQuery


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChange:
    """A task came into a state.

    Attributes:
        number: Later changes have larger ones.
        cursor: For the client, to go on after it.
        name: The first characters of that of the task.
        attempt: Number of the attempt; 0 before the first.
        reason_code: Of the end of a task; "" for none.
        matched: Indices of the subscriptions that it matches.
    """

    number: int
    cursor: str
    task_id: str
    name: str
    state: TaskState
    attempt: int
    reason_code: str
    time: datetime
    matched: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePage:
    """Some changes of states, in order.

    Attributes:
        next_cursor: After all that was looked at.
        next_number: Of the last change that was looked at.
        has_more: Others are there already.
        is_expired: What came after the given cursor is no longer known as a whole.
    """

    changes: Sequence[StateChange]
    next_cursor: str
    next_number: int
    has_more: bool = False
    is_expired: bool = False


@dataclass(frozen=True, slots=True)
class Page(Generic[TaskT_co]):
    """Part of a list, newest first; an empty token marks the last part."""

    tasks: Sequence[TaskT_co]
    next_page_token: str


@dataclass(frozen=True, slots=True)
class CanceledPage:
    """Tasks that were canceled, or would be; an empty token marks the last page."""

    task_ids: Sequence[str]
    next_page_token: str
