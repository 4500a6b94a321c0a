"""Showing tasks to those who may see them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from tesk_model.errors import (
    InvalidRequestError,
    NotFoundError,
    ResourceExhaustedError,
    Violation,
)
from tesk_model.reasons import Reason, ReasonCode
from tesk_model.states import TaskState
from tesk_model.task import TaskId, TaskView
from tesk_scheduler.domain.callers import Caller
from tesk_scheduler.domain.records import Glimpse, StoredTask, TaskKey, TaskQuery
from tesk_scheduler.domain.tokens import page_token, parse_page_token
from tesk_scheduler.ports.store import TaskStore

MAX_BATCH = 256
MAX_PAGE = 2047
MAX_TAGS = 100
DEFAULT_PAGE = 256
# Far below what a message may hold, for the JSON of the api grows from it.
MAX_PAGE_BYTES = 8 * 1024 * 1024

# Of several tasks; one alone always fits, see ``domain.bounds``.
MAX_BATCH_BYTES = 32 * 1024 * 1024

_MANY = 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """One task that somebody wants to see."""

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

    tasks: Sequence[Glimpse | StoredTask]
    next_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Reads tasks.

    Attributes:
        secret: Page tokens are encrypted with a key made of it.
    """

    store: TaskStore
    secret: str

    def read(
        self, wanted: Sequence[Wanted]
    ) -> list[Glimpse | StoredTask | NotFoundError]:
        """Read tasks, each in its view, with one query for each view.

        What the callers may not see is found out before anything else of a
        task is read, so that it costs what a task costs that is not there.

        Raises:
            InvalidRequestError: Too many at once.
            ResourceExhaustedError: Several that are too large together; each
                can be had alone.
        """
        if len(wanted) > MAX_BATCH:
            problem = f"must be at most {MAX_BATCH}, not {len(wanted)}"
            raise InvalidRequestError([Violation("requests", problem)])
        keys = {TaskKey(each.task_id, each.caller.whose) for each in wanted}
        visible = self.store.glimpses(keys)
        shown = [each for each in wanted if _may_see(each, visible)]
        self._check_size(shown)
        found: dict[tuple[TaskView, TaskId], Glimpse | StoredTask] = {
            (TaskView.MINIMAL, task_id): glimpse for task_id, glimpse in visible.items()
        }
        for view in (TaskView.BASIC, TaskView.FULL):
            if ids := {each.task_id for each in shown if each.view is view}:
                for task in self._read(ids, full=view is TaskView.FULL):
                    found[view, task.id] = task
        return [
            found.get((each.view, each.task_id), not_found(each.task_id))
            if _may_see(each, visible)
            else not_found(each.task_id)
            for each in wanted
        ]

    def _check_size(self, wanted: Sequence[Wanted]) -> None:
        """Refuse a batch that would not fit a message, before it is read."""
        if len(wanted) <= 1:
            return
        total = 0
        for view in (TaskView.BASIC, TaskView.FULL):
            ids = [each.task_id for each in wanted if each.view is view]
            if ids:
                sizes = self.store.sizes(set(ids), full=view is TaskView.FULL)
                total += sum(sizes.get(each, 0) for each in ids)
        if total > MAX_BATCH_BYTES:
            raise ResourceExhaustedError(
                "together these tasks are too large for one answer; ask for fewer"
            )

    def list(
        self, caller: Caller, filters: Filters, *, size: int, token: str, view: TaskView
    ) -> Page:
        """List the tasks that ``caller`` may see, newest first.

        A page holds fewer than ``size`` if they are large: one, and as many
        more as fit in ``MAX_PAGE_BYTES``.

        Args:
            caller: Admins see everybody's.
            filters: All must hold.
            size: Tasks in a page; 0 = 256.
            token: Of the page before, or "".
            view: How much to read.

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
            owner=caller.whose,
            name_prefix=filters.name_prefix,
            state=filters.state,
            tags=filters.tags,
            limit=size + 1,  # one more tells whether there is another page
        )
        if token:
            before = parse_page_token(self.secret, query, token)
            query = replace(query, before=before)
        tasks, is_cut = self._list(query, view)
        if len(tasks) <= size and not is_cut:
            return Page(tasks, "")
        page = tasks[:size]
        return Page(page, page_token(self.secret, query, page[-1].seq))

    def _read(self, ids: set[TaskId], *, full: bool) -> Sequence[StoredTask]:
        tasks = list(self.store.tasks(ids, full=full).values())
        if full:
            explain_waiting(tasks, self.store.count_queued_before)
        return tasks

    def _list(
        self, query: TaskQuery, view: TaskView
    ) -> tuple[Sequence[Glimpse | StoredTask], bool]:
        if view is TaskView.MINIMAL:
            return self.store.list_glimpses(query), False
        full = view is TaskView.FULL
        return self.store.list_tasks(query, full=full, most=MAX_PAGE_BYTES)


def _may_see(wanted: Wanted, visible: Mapping[TaskId, Glimpse]) -> bool:
    # Somebody else of the same batch may have made it visible.
    glimpse = visible.get(wanted.task_id)
    return glimpse is not None and wanted.caller.may_see(glimpse.owner)


def not_found(task_id: TaskId) -> NotFoundError:
    """Say that there is no such task, or none that the caller may know of."""
    return NotFoundError(f"no task {task_id}")


def explain_waiting(
    tasks: Sequence[StoredTask], count_before: Callable[..., int]
) -> None:
    """Give a true reason to queued tasks that admission has not looked at."""
    for task in tasks:
        if task.state is TaskState.QUEUED and not task.reason.text:
            before = count_before(task.owner, task.seq, limit=_MANY)
            text = behind_words(before, task.owner)
            task.reason = Reason(ReasonCode.ADMISSION_PENDING, text)


def behind_words(before: int, owner: str) -> str:
    """Say how many tasks come first: ``waiting behind 3 tasks of alice``."""
    if not before:
        return "waiting for admission"
    count = f"{before} or more" if before >= _MANY else str(before)
    whose = f" of {owner}" if owner else ""
    return f"waiting behind {count} task{'' if before == 1 else 's'}{whose}"
