from dataclasses import replace

import pytest

from tesk_cli.domain.changes import format_changes, format_reason, last_lines
from tesk_cli.domain.snapshot import ExecutorSnapshot, Snapshot
from tesk_model.states import TaskState

QUEUED = Snapshot(id="t", state=TaskState.QUEUED, reason="waiting for 4 cpu: 2 free")


def test_the_first_line_is_the_state_and_its_reason() -> None:
    assert format_changes(None, QUEUED) == ["QUEUED: waiting for 4 cpu: 2 free"]


def test_an_unchanged_task_has_no_lines() -> None:
    assert format_changes(QUEUED, QUEUED) == []


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

    assert format_changes(QUEUED, running) == [
        "RUNNING: running",
        "inputs: 2 of 3 files",
        "executor 0: started",
        "executor 0: exit code 0",
        "executor 1: started",
        "note: attempt 1 was lost",
    ]


CAUSES = {
    "why it waits": (
        replace(QUEUED, reason_code="CAPACITY_FULL"),
        "waiting for 4 cpu: 2 free (CAPACITY_FULL)",
    ),
    "why it ended": (
        Snapshot(id="t", state=TaskState.SYSTEM_ERROR, reason_code="NODE_LOST"),
        "NODE_LOST",
    ),
    "a server that knows no codes": (QUEUED, "waiting for 4 cpu: 2 free"),
    "nothing": (Snapshot(id="t", state=TaskState.COMPLETE), ""),
}


@pytest.mark.parametrize(("task", "want"), CAUSES.values(), ids=CAUSES)
def test_the_reason_is_shown_with_its_code(task: Snapshot, want: str) -> None:
    assert format_reason(task) == want


def test_an_exit_code_is_shown_once() -> None:
    before = replace(QUEUED, executors=(ExecutorSnapshot(index=0),))
    after = replace(QUEUED, executors=(ExecutorSnapshot(index=0, exit_code=4),))

    assert format_changes(before, after) == ["executor 0: exit code 4"]
    assert format_changes(after, after) == []


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
