"""Real taskmasters when their scheduler ends for good."""

from pathlib import Path

from builders.tasks import make_task_json
from programs.stack import running_stack


def test_nothing_is_left_behind_when_a_task_has_just_ended(tmp_path: Path) -> None:
    with running_stack(tmp_path) as stack:
        assert stack.run(make_task_json())["state"] == "COMPLETE"

        stack.terminate("scheduler")

        assert stack.pids("taskmaster") == []
        assert stack.leftovers() == []
