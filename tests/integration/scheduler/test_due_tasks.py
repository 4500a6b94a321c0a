"""The leader ends what has waited for too long, once, whoever leads."""

from datetime import timedelta

import pytest

from builders.scheduler_tasks import make_demand, make_new_task
from schedulers.stepped import SteppedSchedulers
from tesk_model.errors import ConflictError
from tesk_model.reasons import ReasonCode
from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.domain.dimensions import QUEUED
from tesk_scheduler.domain.quota import EVERYBODY

MINUTE = timedelta(minutes=1)
# More than there is, so that they stay in the queue.
LARGE = make_demand(cpu_millis=1_000_000)


def add(stepped: SteppedSchedulers, count: int, *, most: int = 60) -> list[TaskId]:
    """Submit tasks that wait for ``most`` seconds."""
    now = stepped.clock.now()
    tasks = [
        make_new_task(
            f"t-{number}",
            demand=LARGE,
            created_at=now,
            parameters={"max_queue_time": str(most)},
            due_at=now + timedelta(seconds=most),
        )
        for number in range(count)
    ]
    stepped.store.write(lambda tx: tx.add_tasks(tasks))
    return [task.id for task in tasks]


def states(stepped: SteppedSchedulers, ids: list[TaskId]) -> set[TaskState]:
    """Return the states that tasks are in."""
    found = stepped.store.summaries(ids, owner=None)
    return {task.state for task in found.values()}


def test_many_tasks_end_in_one_round(stepped: SteppedSchedulers) -> None:
    leader = stepped.scheduler()
    ids = add(stepped, 600)

    stepped.wait(59)
    leader.reconcile()
    before = states(stepped, ids)
    stepped.wait(1)
    leader.reconcile()
    leader.reconcile()

    assert before == {TaskState.QUEUED}
    assert states(stepped, ids) == {TaskState.SYSTEM_ERROR}
    assert stepped.record("t-7").reason.code is ReasonCode.QUEUE_TIME_EXCEEDED
    assert stepped.store.usage_of_all()[EVERYBODY][QUEUED] == 0
    (task,) = stepped.store.tasks([ids[0]], owner=None, full=True, max_bytes=0).tasks
    (line,) = task.lines
    assert line == (
        "waited in the queue for longer than 1 min 0 s, as the backend parameter"
        " max_queue_time of the task allows"
    )


def test_the_next_leader_forgets_no_limit(stepped: SteppedSchedulers) -> None:
    first = stepped.scheduler(exclusive=False)
    first.reconcile()
    second = stepped.scheduler(exclusive=False)
    ids = add(stepped, 3)

    stepped.wait(61)  # the first one is gone
    second.reconcile()

    assert states(stepped, ids) == {TaskState.SYSTEM_ERROR}


def test_a_former_leader_ends_nothing(stepped: SteppedSchedulers) -> None:
    late = stepped.scheduler(exclusive=False)
    late.reconcile()
    ids = add(stepped, 3, most=1)
    stepped.wait(1)  # it still believes that it leads
    stepped.store.write(
        lambda tx: tx.acquire_lead(
            "other",
            now=stepped.clock.now(),
            until=stepped.clock.now() + MINUTE,
            force=True,
        )
    )

    with pytest.raises(ConflictError):
        late.reconcile()

    assert states(stepped, ids) == {TaskState.QUEUED}
