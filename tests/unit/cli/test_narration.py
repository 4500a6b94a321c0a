from dataclasses import replace

from tesk_cli.domain.narration import last_lines, narrate
from tesk_cli.domain.snapshot import ExecutorSnapshot, Snapshot
from tesk_model.states import TaskState

QUEUED = Snapshot(id="t", state=TaskState.QUEUED, reason="waiting for 4 cpu: 2 free")


def test_the_first_look_says_where_the_task_is() -> None:
    assert narrate(None, QUEUED) == ["QUEUED: waiting for 4 cpu: 2 free"]


def test_nothing_new_is_not_told() -> None:
    assert narrate(QUEUED, QUEUED) == []


def test_each_change_is_one_line() -> None:
    running = Snapshot(
        id="t",
        state=TaskState.RUNNING,
        metadata={"inputs": "2 of 3 files"},
        executors=(
            ExecutorSnapshot(index=0, exit_code=0),
            ExecutorSnapshot(index=1),
        ),
        system_logs=("attempt 1 was lost",),
    )

    assert narrate(QUEUED, running) == [
        "RUNNING: running",
        "inputs: 2 of 3 files",
        "executor 0: started",
        "executor 0: exit code 0",
        "executor 1: started",
        "note: attempt 1 was lost",
    ]


def test_an_exit_code_is_told_once() -> None:
    before = replace(QUEUED, executors=(ExecutorSnapshot(index=0),))
    after = replace(QUEUED, executors=(ExecutorSnapshot(index=0, exit_code=4),))

    assert narrate(before, after) == ["executor 0: exit code 4"]
    assert narrate(after, after) == []


def test_the_last_lines_are_those_of_the_newest_executor() -> None:
    task = replace(
        QUEUED,
        executors=(
            ExecutorSnapshot(index=0, stdout="old\n"),
            ExecutorSnapshot(index=1, stdout="a\nb\nc\n", stderr="oh\n"),
        ),
    )

    assert last_lines(task, 2) == ["c", "oh"]
    assert last_lines(QUEUED, 2) == []
