"""`tesk task logs --follow` shows what a task prints while it runs."""

import os
import subprocess
from pathlib import Path

from programs.serve_command import TESK
from programs.stack import Stack
from programs.waiting import eventually
from scenarios.scenario import shell


def follow(stack: Stack, task_id: str, folder: Path) -> "subprocess.Popen[bytes]":
    environ = {name: value for name, value in os.environ.items() if "TESK" not in name}
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        return subprocess.Popen(
            [*TESK, "task", "logs", "--follow", "--server", stack.url, task_id],
            env=environ,
            stdout=out,
            stderr=err,
        )


def test_output_is_seen_before_the_end_and_once(
    shared_stack: Stack, tmp_path: Path
) -> None:
    # What it prints last, it prints when it is told to end.
    script = (
        "trap 'echo last; exit 3' TERM; echo first; echo oops >&2; sleep 600 & wait"
    )
    task_id = shared_stack.create({"executors": [shell(script)]})

    process = follow(shared_stack, task_id, tmp_path)
    eventually(
        lambda: (
            (tmp_path / "out").read_text() == "first\n"
            and (tmp_path / "err").read_text() == "oops\n"
        ),
        what="live output",
    )
    assert process.poll() is None
    assert shared_stack.state(task_id) == "RUNNING"

    shared_stack.cancel(task_id)

    assert process.wait(100) == 0
    assert (tmp_path / "out").read_text() == "first\nlast\n"
    assert (tmp_path / "err").read_text() == "oops\n"
