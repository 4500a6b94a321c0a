"""Short units of work of a store of tasks."""

from collections.abc import Callable

from builders.scheduler_tasks import NOON, make_new_task
from tesk_model.task import TaskId
from tesk_scheduler.domain.records import NewTask, StoredTask
from tesk_scheduler.domain.transitions import admitted
from tesk_scheduler.ports.store import TaskStore, Transaction


def add(store: TaskStore, *tasks: NewTask) -> None:
    """Store tasks in one unit of work."""
    store.write(lambda tx: tx.add_tasks(tasks))


def change(store: TaskStore, task_id: str, work: Callable[..., None]) -> None:
    """Run ``work(tx, record)``."""

    def unit(tx: Transaction) -> None:
        work(tx, tx.records([TaskId(task_id)])[TaskId(task_id)])

    store.write(unit)


def begin(store: TaskStore, task_id: str, taskmaster: str = "tm-1") -> None:
    """Admit a task."""
    change(
        store,
        task_id,
        lambda tx, record: tx.save(record, admitted(record, taskmaster, NOON)),
    )


def begin_new(store: TaskStore, task_id: str) -> int:
    """Store a task and admit it; return its number."""
    add(store, make_new_task(task_id))
    begin(store, task_id)
    record = store.record(TaskId(task_id))
    assert record is not None
    return record.seq


def full(store: TaskStore, task_id: str) -> StoredTask:
    """Read everything of a task."""
    (task,) = store.tasks([TaskId(task_id)], owner=None, full=True, max_bytes=0).tasks
    return task
