"""A command that overwrites the launcher's report still ends with its exit code."""

from collections.abc import Iterator

import pytest

from programs.stack import Stack, running_stack

pytestmark = pytest.mark.engine

OVERWRITE = (
    "f=/.tesk/report; [ -e $f ] || f=/dev/termination-log; "
    "(while :; do printf '%s' \"$1\" > $f; done) 2> /dev/null & exit 3"
)
REPORTS = {
    "an endless exit code": '{"exit_code": Infinity}',
    "a huge number": '{"exit_code": 1' + "0" * 400 + "}",
    "half a character": '{"error": "\\ud800"}',
    "nesting": "[" * 3000,
    "megabytes": "x" * 100_000,
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("stack"), engine="container") as running:
        yield running


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_an_overwritten_report_ends_the_task_with_its_exit_code(
    stack: Stack, report: str
) -> None:
    command = ["sh", "-c", OVERWRITE, "sh", report]

    task = stack.run({"executors": [{"image": "busybox", "command": command}]})

    assert task["state"] == "EXECUTOR_ERROR", task
    assert [log["exit_code"] for log in task["logs"][0]["logs"]] == [3]
    assert "lost" not in " ".join(task["logs"][0]["system_logs"])
