"""Nothing is read of what the caller may not see."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pytest

from scheduler_tasks import make_new_task
from tesk_model.errors import NotFoundError
from tesk_model.task import TaskId, TaskView
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.domain.callers import Caller
from tesk_scheduler.usecases.reading import Reading, Wanted

ALICE, BOB, ROOT = Caller("alice"), Caller("bob"), Caller("root", admin=True)
THERE, ABSENT = TaskId("t-1"), TaskId("t-2")


class RecordingStore:
    """A store that keeps what was read of which tasks."""

    def __init__(self, store: SqlTaskStore) -> None:
        self._store = store
        self.read: list[tuple[str, frozenset[TaskId]]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def sizes(self, ids: Collection[TaskId], *, full: bool) -> dict[TaskId, int]:
        self.read.append(("sizes", frozenset(ids)))
        return self._store.sizes(ids, full=full)

    def tasks(self, ids: Collection[TaskId], *, full: bool) -> Any:
        self.read.append(("tasks", frozenset(ids)))
        return self._store.tasks(ids, full=full)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RecordingStore]:
    opened = SqlTaskStore.open(f"sqlite:///{tmp_path}/tesk.sqlite")
    opened.write(lambda tx: tx.add_tasks([make_new_task("t-1", owner="alice")]))
    yield RecordingStore(opened)
    opened.close()


def read(store: RecordingStore, *wanted: Wanted) -> list[str]:
    found = Reading(store=store, secret="s").read(wanted)
    return [str(each) if isinstance(each, NotFoundError) else each.id for each in found]


@pytest.mark.parametrize("view", TaskView)
def test_anothers_task_is_read_as_little_as_none(
    store: RecordingStore, view: TaskView
) -> None:
    answers = read(store, Wanted(BOB, THERE, view), Wanted(BOB, ABSENT, view))

    assert answers == ["no task t-1", "no task t-2"]
    assert store.read == []


@pytest.mark.parametrize("view", TaskView)
def test_a_batch_of_several_callers_shows_each_his_own(
    store: RecordingStore, view: TaskView
) -> None:
    callers = (ALICE, BOB, ROOT)
    wanted = [Wanted(caller, THERE, view) for caller in callers]

    assert read(store, *wanted) == ["t-1", "no task t-1", "t-1"]
