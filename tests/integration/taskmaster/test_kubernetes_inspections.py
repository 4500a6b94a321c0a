"""Executors on a real cluster keep the files of their image."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

import pytest

from builders.tasks import make_assigned_task, make_executor
from cluster.taskmasters import real_cluster
from fakes.taskmaster_cluster_runtimes import IMAGE, ClusterRuntimes
from tesk_model.names import Attempt
from tesk_model.reasons import Reason
from tesk_model.task import Input, Output, Resources, Task, TaskId
from tesk_taskmaster.domain.planning import directories_to_inspect, plan_task
from tesk_taskmaster.domain.termination import StepResult
from tesk_taskmaster.ports import Tails

pytestmark = pytest.mark.cluster

GENEROUS = timedelta(seconds=90)
ATTEMPT = Attempt(TaskId("l1"), 1)
SMALL = Resources(cpu_cores=0.01, ram_gb=0.0625, disk_gb=1)
APP = "tesk-test-app:1"
RETURNS = b"a\r\nb\r\r\n50%\r60%\r"


@pytest.fixture
def runtimes() -> Iterator[ClusterRuntimes]:
    with real_cluster() as runtimes:
        yield runtimes


def run(
    runtimes: ClusterRuntimes, task: Task, steps: Sequence[str] = ("x0",)
) -> list[tuple[StepResult, Tails]]:
    """Run steps of a task to their end, after an inspection of each image."""
    runtime, reasons = runtimes.open_runtime(), list[Reason]()
    plan = plan_task(task, ATTEMPT)
    runtime.prepare(plan, "token", reasons.append)
    asked = directories_to_inspect(task)
    by_index = {
        index: asked[executor.image]
        for index, executor in enumerate(task.executors)
        if executor.image in asked
    }
    runtime.begin_inspection(plan, dict(list(by_index.items())[:1]), reasons.append)
    occupied = {
        task.executors[index].image: runtime.inspect_image(
            plan, index, directories, reasons.append
        )
        for index, directories in by_index.items()
    }
    plan = plan_task(task, ATTEMPT, occupied)
    ended = []
    for step in steps:
        runtime.start(plan, step, reasons.append)
        result = runtime.wait(ATTEMPT, step, GENEROUS)
        assert result is not None, reasons
        tails = runtime.tails(ATTEMPT, step) if step[0] == "x" else Tails(b"", b"")
        ended.append((result, tails))
    runtime.release(ATTEMPT)
    return ended


def test_files_of_an_image_stay_visible(runtimes: ClusterRuntimes) -> None:
    script = "./tool; touch /empty/x; ls /empty; mkdir d; echo y > d/x"
    task = make_assigned_task(
        executors=(
            make_executor(image=APP, command=("sh", "-c", script), workdir="/app"),
            make_executor(image=APP, command=("./tool",), stdout="/app/log"),
            make_executor(image=APP, command=("cat",), stdin="/app/log"),
        ),
        outputs=(
            Output(path="/app/d/x", url="s3://b/x"),
            Output(path="/empty/y", url="s3://b/y"),
        ),
        resources=SMALL,
    )

    ended = run(runtimes, task, ("x0", "x1", "x2"))

    assert [result.exit_code for result, _ in ended] == [0, 0, 0], ended
    printed = [tails.stdout for _, tails in ended]
    assert printed == [b"tool ran\nx\n", b"tool ran\n", b"tool ran\n"]


def test_stdin_from_a_file_of_the_image(runtimes: ClusterRuntimes) -> None:
    task = make_assigned_task(
        executors=(
            make_executor(image=IMAGE, command=("head", "-n1"), stdin="/etc/passwd"),
        ),
        inputs=(Input(path="/w/a", content="x"),),
        resources=SMALL,
    )

    [(result, tails)] = run(runtimes, task)

    assert result.exit_code == 0, tails
    assert tails.stdout.startswith(b"root:")


@pytest.mark.parametrize("redirect", [None, "/o/out"], ids=["log", "redirected"])
def test_streams_are_exact_and_can_be_opened_again(
    runtimes: ClusterRuntimes, redirect: str | None
) -> None:
    script = (
        "printf 'a\\r\\nb\\r\\r\\n50%%\\r60%%\\r'; echo 1 > /dev/stdout; echo 2; "
        "printf 'e\\r\\n' >&2; echo 3 | tee /dev/stderr > /dev/null"
    )
    task = make_assigned_task(
        executors=(
            make_executor(image=IMAGE, command=("sh", "-c", script), stdout=redirect),
        ),
        resources=SMALL,
    )

    [(result, tails)] = run(runtimes, task)

    assert result.exit_code == 0
    assert tails == Tails(RETURNS + b"1\n2\n", b"e\r\n3\n")
