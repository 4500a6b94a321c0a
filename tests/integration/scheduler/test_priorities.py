"""The tag ``priority``, from the call that creates a task to its queue."""

import pytest

from schedulers.served import RunningScheduler
from tesk_model.task import TaskId


def test_a_tag_that_is_no_priority_is_the_users_own(running: RunningScheduler) -> None:
    (task_id,) = running.create(tags={"priority": "urgent"})

    record = running.store.record(TaskId(task_id))
    found = running.store.tasks([TaskId(task_id)], owner=None, full=True, max_bytes=0)
    assert record is not None
    assert record.priority == 0
    assert any("is no priority" in line for line in found.tasks[0].lines)


@pytest.mark.parametrize(
    ("tag", "want", "lowered"), [("high", 100, False), ("999", 100, True)]
)
def test_a_priority_is_stored_and_what_is_lowered_is_told(
    running: RunningScheduler, tag: str, want: int, lowered: bool
) -> None:
    (task_id,) = running.create(tags={"priority": tag})

    record = running.store.record(TaskId(task_id))
    found = running.store.tasks([TaskId(task_id)], owner=None, full=True, max_bytes=0)
    lines = found.tasks[0].lines
    assert record is not None
    assert record.priority == want
    assert dict(running.get(task_id).tags) == {"priority": tag}
    assert any(line.startswith("priority 999 was lowered") for line in lines) == lowered
