"""Cancels the tasks that a filter names, page by page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from tesk_model.errors import InvalidRequestError, Violation
from tesk_model.states import TaskState
from tesk_scheduler.domain.callers import Caller
from tesk_scheduler.domain.records import TaskQuery, TaskRecord, TaskSummary
from tesk_scheduler.domain.transitions import canceled
from tesk_scheduler.ports.environment import Clock
from tesk_scheduler.ports.store import TaskStore, Transaction
from tesk_scheduler.usecases.cancellation import cancel_requested
from tesk_scheduler.usecases.notifier import Notifier
from tesk_scheduler.usecases.task_results import TaskResult, result_of

MAX_TASKS = 200
"""Tasks of one page."""

# In the order in which tasks pass through them, so that none slips by.
CANCELABLE = (TaskState.QUEUED, TaskState.INITIALIZING, TaskState.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelFilter:
    """Which tasks to cancel; all conditions must hold."""

    owner: str | None = None
    state: TaskState | None = None
    tags: tuple[tuple[str, str], ...] = ()
    name_prefix: str = ""
    created_before: datetime | None = None

    @property
    def is_empty(self) -> bool:
        """Tell whether it names every task."""
        return self == CancelFilter()


class CancelPage(NamedTuple):
    """Tasks that were canceled, and the cursor of the next page; "" at the end."""

    results: Sequence[TaskResult]
    next_cursor: str


class _Place(NamedTuple):
    state: TaskState
    before: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MassCancellation:
    """Cancels tasks of callers who may see them, one transaction for each page."""

    store: TaskStore
    clock: Clock
    notifier: Notifier

    def cancel(
        self, caller: Caller, wanted: CancelFilter, cursor: str, *, dry_run: bool
    ) -> CancelPage:
        """Cancel the next page of tasks, state by state, newest first.

        Args:
            caller: Whose tasks alone are meant, unless it may see those of all.
            wanted: Which of them.
            cursor: Of the page before; "" for the first.
            dry_run: Only tell which.

        Raises:
            InvalidRequestError: The cursor or the state is wrong.
        """
        states = CANCELABLE if wanted.state is None else (wanted.state,)
        if not set(states) <= set(CANCELABLE):
            problem = f"must be one of {', '.join(CANCELABLE)}"
            raise InvalidRequestError([Violation("state", problem)])
        place = _place(cursor, states)
        page = self.store.list_summaries(
            TaskQuery(
                owner=wanted.owner if caller.admin else caller.visible_owner,
                limit=MAX_TASKS,
                name_prefix=wanted.name_prefix,
                state=place.state,
                tags=wanted.tags,
                before=place.before,
                created_before=wanted.created_before,
            )
        )
        if dry_run:
            results = [TaskResult(task.id, task.state) for task in page]
        else:
            results = self._cancel(page, caller)
        return CancelPage(results, _next_cursor(page, place, states))

    def _cancel(self, page: Sequence[TaskSummary], caller: Caller) -> list[TaskResult]:
        now = self.clock.now()

        def work(tx: Transaction) -> list[TaskRecord]:
            changed = []
            for before in tx.records({task.id for task in page}).values():
                after = canceled(before, now)
                if after is not before:
                    tx.announce(cancel_requested(before, caller))
                    tx.save(before, after)
                    changed.append(after)
            return changed

        records = self.store.write(work) if page else []
        self.notifier.taskmasters.notify(
            record.taskmaster for record in records if record.taskmaster
        )
        if records:
            self.notifier.leader.notify(urgent=True)
        return [result_of(record) for record in records]


def _place(cursor: str, states: Sequence[TaskState]) -> _Place:
    if not cursor:
        return _Place(states[0], None)
    name, _, before = cursor.partition(":")
    state = next((each for each in states if each.value == name), None)
    if state is None or not (before.isdecimal() or not before):
        problem = "was not made for these filters"
        raise InvalidRequestError([Violation("page_token", problem)])
    return _Place(state, int(before) if before else None)


def _next_cursor(
    page: Sequence[TaskSummary], place: _Place, states: Sequence[TaskState]
) -> str:
    if len(page) == MAX_TASKS:
        return f"{place.state.value}:{page[-1].seq}"
    later = states[states.index(place.state) + 1 :]
    return f"{later[0].value}:" if later else ""
