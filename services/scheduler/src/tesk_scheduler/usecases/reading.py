"""Reads tasks for callers who may see them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from tesk_model.errors import (
    InvalidRequestError,
    NotFoundError,
    ResourceExhaustedError,
    Violation,
)
from tesk_model.states import TaskState
from tesk_model.task import TaskId, TaskView
from tesk_scheduler.domain.callers import Caller
from tesk_scheduler.domain.occurrences import TaskRead, TasksListed
from tesk_scheduler.domain.records import StoredTask, TaskQuery, TaskSummary
from tesk_scheduler.domain.tokens import page_token, parse_page_token
from tesk_scheduler.ports.observer import Observer
from tesk_scheduler.ports.store import TaskStore
from tesk_scheduler.usecases.queue_places import QueuePlaces

MAX_BATCH = 256
MAX_PAGE = 2047
MAX_TAGS = 100
DEFAULT_PAGE = 256
# Far below the limit of a message: the JSON of the api is larger.
MAX_PAGE_BYTES = 8 * 1024 * 1024

# Of several tasks; one alone always fits, see ``domain.bounds``.
MAX_BATCH_BYTES = 32 * 1024 * 1024

_Group = tuple[str | None, TaskView]
"""The owner and the view of tasks that one query reads."""


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """The request to read one task."""

    caller: Caller
    task_id: TaskId
    view: TaskView


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which tasks to list; see ``TaskQuery``."""

    name_prefix: str = ""
    state: TaskState | None = None
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a list; ``next_token`` is "" on the last one."""

    tasks: Sequence[TaskSummary | StoredTask]
    next_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Reads tasks.

    Attributes:
        secret: Page tokens are encrypted with a key made of it.
        observer: Hears which tasks of others admins see.
        places: Of queued tasks.
    """

    store: TaskStore
    secret: str
    observer: Observer
    places: QueuePlaces

    def read(
        self, wanted: Sequence[ReadRequest]
    ) -> list[TaskSummary | StoredTask | NotFoundError]:
        """Read tasks, each in its view, with one query for each caller and view.

        A task that the caller may not see takes as long as one that does not exist.

        Raises:
            InvalidRequestError: Too many at once.
            ResourceExhaustedError: They are too large together; each can be read
                alone.
        """
        if len(wanted) > MAX_BATCH:
            problem = f"must be at most {MAX_BATCH}, not {len(wanted)}"
            raise InvalidRequestError([Violation("requests", problem)])
        asked: dict[_Group, set[TaskId]] = {}
        for each in wanted:
            asked.setdefault(_group_of(each), set()).add(each.task_id)
        found: dict[_Group, Mapping[TaskId, TaskSummary | StoredTask]] = {}
        room = MAX_BATCH_BYTES
        for group, ids in asked.items():
            found[group] = self._read(group, ids, max_bytes=room)
            room -= _size_of(found[group].values())
        answers = [
            found[_group_of(each)].get(each.task_id) or not_found(each.task_id)
            for each in wanted
        ]
        whole = [each for each in answers if isinstance(each, StoredTask)]
        if len(whole) > 1 and _size_of(whole) > MAX_BATCH_BYTES:
            raise _too_large()
        for each, answer in zip(wanted, answers, strict=True):
            if each.caller.admin and not isinstance(answer, NotFoundError):
                self._observe(each.caller, answer)
        return answers

    def _observe(self, admin: Caller, task: TaskSummary | StoredTask) -> None:
        if task.owner != admin.user:
            self.observer.happened(
                TaskRead(
                    task_id=task.id,
                    owner=task.owner,
                    user=admin.user,
                    request_id=admin.request_id,
                )
            )

    def _read(
        self, group: _Group, ids: set[TaskId], *, max_bytes: int
    ) -> Mapping[TaskId, TaskSummary | StoredTask]:
        owner, view = group
        if view is TaskView.MINIMAL:
            return self.store.summaries(ids, owner=owner)
        full = view is TaskView.FULL
        tasks, is_truncated = self.store.tasks(
            ids, owner=owner, full=full, max_bytes=max_bytes
        )
        if is_truncated:
            raise _too_large()
        if full:
            tasks = [self.places.explained(task) for task in tasks]
        return {task.id: task for task in tasks}

    def list(
        self,
        caller: Caller,
        filters: Filters,
        *,
        size: int,
        token: str,
        view: TaskView,
        explain: bool = False,
    ) -> Page:
        """List the tasks that ``caller`` may see, newest first.

        A page holds fewer than ``size`` if they are large: one, and as many
        more as fit in ``MAX_PAGE_BYTES``.

        Args:
            caller: Admins see tasks of all owners.
            filters: All must hold.
            size: Tasks in a page; 0 = 256.
            token: Of the page before, or "".
            view: How much to read.
            explain: Say of queued tasks what they wait for.

        Raises:
            InvalidRequestError: ``size`` or ``token`` is wrong.
        """
        size = size or DEFAULT_PAGE
        if not 1 <= size <= MAX_PAGE:
            problem = f"must be from 1 to {MAX_PAGE}"
            raise InvalidRequestError([Violation("page_size", problem)])
        if len(filters.tags) > MAX_TAGS:  # each is a query of its own
            problem = f"must be at most {MAX_TAGS}, not {len(filters.tags)}"
            raise InvalidRequestError([Violation("tag_key", problem)])
        query = TaskQuery(
            owner=caller.visible_owner,
            name_prefix=filters.name_prefix,
            state=filters.state,
            tags=filters.tags,
            limit=size + 1,  # one more tells whether there is another page
        )
        if token:
            before = parse_page_token(self.secret, query, token)
            query = replace(query, before=before)
        tasks, is_truncated = self._list(query, view)
        self._observe_list(caller, tasks[:size])
        page = tasks[:size]
        if explain:
            page = self.places.explained_together(page)
        if len(tasks) <= size and not is_truncated:
            return Page(page, "")
        return Page(page, page_token(self.secret, query, page[-1].seq))

    def _observe_list(
        self, caller: Caller, tasks: Sequence[TaskSummary | StoredTask]
    ) -> None:
        others = sum(1 for task in tasks if task.owner != caller.user)
        if others:
            self.observer.happened(
                TasksListed(
                    tasks=others, user=caller.user, request_id=caller.request_id
                )
            )

    def _list(
        self, query: TaskQuery, view: TaskView
    ) -> tuple[Sequence[TaskSummary | StoredTask], bool]:
        if view is TaskView.MINIMAL:
            return self.store.list_summaries(query), False
        full = view is TaskView.FULL
        return self.store.list_tasks(query, full=full, max_bytes=MAX_PAGE_BYTES)


def _group_of(wanted: ReadRequest) -> _Group:
    return wanted.caller.visible_owner, wanted.view


def _size_of(tasks: Iterable[TaskSummary | StoredTask]) -> int:
    return sum(task.size for task in tasks if isinstance(task, StoredTask))


def _too_large() -> ResourceExhaustedError:
    return ResourceExhaustedError(
        "together these tasks are too large for one answer; ask for fewer"
    )


def not_found(task_id: TaskId) -> NotFoundError:
    """Return the error that a task does not exist or may not be seen."""
    return NotFoundError(f"no task {task_id}")
