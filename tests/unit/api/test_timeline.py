"""Where the time of a task went, and which attempts it had."""

from datetime import UTC, datetime, timedelta

from builders.tasks import make_task
from tesk_api.http.web.timeline import attempt_rows, timeline
from tesk_model.attempt_lines import EndedAttempt, format_attempt
from tesk_model.states import TaskState
from tesk_model.task import ExecutorLog, Task, TaskLog

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def lost(number: int, began: float, ended: float) -> list[str]:
    attempt = EndedAttempt(
        number=number, began=at(began), ended=at(ended), nodes="n1", code="NODE_LOST"
    )
    line = format_attempt(attempt, "at once")
    return [f"attempt {number} was lost: its node is gone", line]


def task_with(state: TaskState, *lines: str, **log: object) -> Task:
    return make_task(
        state=state,
        creation_time=NOON,
        logs=(TaskLog(system_logs=lines, **log),),  # type: ignore[arg-type]
    )


def shown(task: Task, now: datetime) -> list[tuple[str, float, float]]:
    return [
        (each.name, round(each.start, 1), round(each.width, 1))
        for each in timeline(task, now)
    ]


def test_a_task_that_has_ended_is_divided_into_its_parts() -> None:
    task = task_with(
        TaskState.COMPLETE,
        start_time=at(1),
        end_time=at(10),
        logs=(ExecutorLog(start_time=at(3), end_time=at(8), exit_code=0),),
    )

    assert shown(task, at(99)) == [
        ("in the queue", 0, 10),
        ("image and inputs", 10, 20),
        ("executor 0", 30, 50),
        ("outputs", 80, 20),
    ]


def test_earlier_attempts_have_their_places() -> None:
    task = task_with(
        TaskState.RUNNING,
        *lost(1, 1, 4),
        start_time=at(5),
        logs=(ExecutorLog(start_time=at(6)),),
    )

    assert shown(task, at(10)) == [
        ("in the queue", 0, 10),
        ("attempt 1, NODE_LOST", 10, 30),
        ("in the queue", 40, 10),
        ("image and inputs", 50, 10),
        ("executor 0", 60, 40),
    ]


def test_a_task_that_is_queued_again_waits_since_its_attempt() -> None:
    task = task_with(TaskState.QUEUED, *lost(1, 1, 4), start_time=at(1))

    assert shown(task, at(10))[-1] == ("in the queue", 40, 60)
    assert [each.number for each in attempt_rows(task)] == [1]


def test_each_attempt_has_its_reason_times_and_node() -> None:
    task = task_with(
        TaskState.RUNNING,
        *lost(1, 1, 4),
        start_time=at(5),
        metadata={"executors[0].node": "n2"},
    )

    first, second = attempt_rows(task)

    assert (first.number, first.nodes, first.code) == (1, "n1", "NODE_LOST")
    assert (first.cause, first.began, first.ended) == (
        "its node is gone",
        at(1),
        at(4),
    )
    assert (second.number, second.nodes, second.ended) == (2, "n2", None)


def test_very_many_attempts_are_one_part_but_the_last() -> None:
    lines = [line for n in range(1, 41) for line in lost(n, n, n + 0.5)]

    names = [
        each.name for each in timeline(task_with(TaskState.QUEUED, *lines), at(50))
    ]

    assert names[0] == "attempts 1 to 32"
    assert len(names) == 18


def test_very_many_executors_are_one_part_but_the_last() -> None:
    logs = tuple(ExecutorLog(start_time=at(n), end_time=at(n + 1)) for n in range(100))
    task = task_with(TaskState.COMPLETE, start_time=at(0), end_time=at(100), logs=logs)

    names = shown(task, at(100))

    assert names[:2] == [("executors 0 to 87", 0, 88), ("executor 88", 88, 1)]
    assert len(names) == 13


def test_a_clock_that_was_set_back_gives_no_part_outside() -> None:
    task = task_with(TaskState.RUNNING, *lost(1, -5, -3), start_time=at(-2))

    for each in timeline(task, at(-10)):
        assert 0 <= each.start <= 100
        assert each.width <= 100
