"""Attempts that run as one pod on a real cluster, in both orders."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from builders.tasks import make_assigned_task, make_executor
from cluster.kube import Kube, Object
from cluster.taskmasters import real_cluster
from fakes.taskmaster_cluster_runtimes import IMAGE, ClusterRuntimes, one_pod
from programs.waiting import eventually
from tesk_model.names import Attempt
from tesk_model.reasons import Reason, ReasonCode
from tesk_model.task import Input, Output, Resources, TaskId
from tesk_taskmaster.adapters.kubernetes.runtime import KubernetesRuntime
from tesk_taskmaster.domain.layouts import PodVolume
from tesk_taskmaster.domain.plan import Plan
from tesk_taskmaster.domain.planning import plan_task
from tesk_taskmaster.domain.termination import StepResult
from tesk_taskmaster.ports import StepFailedError, Tails

pytestmark = pytest.mark.cluster

GENEROUS = timedelta(seconds=300)  # a kubelet looks at volumes once a minute
SECOND = timedelta(seconds=1)
ATTEMPT = Attempt(TaskId("p1"), 1)
SMALL = Resources(cpu_cores=0.01, ram_gb=0.0625, disk_gb=0.02)
INPUTS = (Input(path="/w/in", url="s3://b/a"),)
OUTPUTS = (Output(path="/w/out", url="s3://b/b"),)
_PASSED = "until [ -e /.tesk/turns/in.passed ]; do sleep 0.1; done"
TRANSFERS = {"inputs": INPUTS, "outputs": OUTPUTS}


class PodRunner:
    """A namespace of the cluster with one attempt."""

    def __init__(self, runtimes: ClusterRuntimes, kube: Kube, order: str) -> None:
        self.runtimes = runtimes
        self.order = order
        self.kube = kube
        self.reasons: list[Reason] = []
        self.runtime: KubernetesRuntime
        self.plan: Plan

    @property
    def namespace(self) -> str:
        return self.runtimes.namespaces[0]

    def prepare(self, *scripts: str, **task: Any) -> None:
        executors = task.pop("executors", None) or tuple(
            make_executor(image=IMAGE, command=("sh", "-c", script))
            for script in scripts
        )
        self.runtime = self.runtimes.open_runtime()
        made = make_assigned_task(executors=executors, **({"resources": SMALL} | task))
        self.plan = plan_task(made, ATTEMPT)
        self.runtime.prepare(self.plan, "token", self.reasons.append)

    def run(self, *steps: str) -> list[int]:
        """Run these steps to their end and return their exit codes."""
        codes = []
        for step in steps:
            self.start(step)
            codes.append(self.result(step).exit_code)
        return codes

    def bring_inputs(self) -> None:
        """Run the inputs to their end, of which one filer tells the scheduler alone."""
        self.start("in")
        if self.order == "together":
            name = self.pod()["metadata"]["name"]
            self.kube.execute(self.namespace, name, "sh", "-c", _PASSED, container="x0")
            self.runtime.conclude(ATTEMPT, "inputs")
        assert self.result("in").exit_code == 0

    def start(self, step: str) -> None:
        self.runtime.start(self.plan, step, self.reasons.append)

    def result(self, step: str) -> StepResult:
        found = self.runtime.wait(ATTEMPT, step, GENEROUS)
        assert found is not None
        return found

    def tails(self, step: str) -> Tails:
        return self.runtime.tails(ATTEMPT, step)

    def pod(self) -> Object:
        return self.kube.list("pods", self.namespace, "tesk/step=pod")[0]

    def check_nothing_is_left(self) -> None:
        self.runtime.release(ATTEMPT)
        labels = f"tesk/task={ATTEMPT.task_id}"
        kinds = ("pods", "jobs", "persistentvolumeclaims", "secrets")
        assert [
            f"{kind}/{item['metadata']['name']}"
            for kind in kinds
            for item in self.kube.list(kind, self.namespace, labels)
        ] == []


@pytest.fixture(params=["together", "sequence"])
def runner(request: pytest.FixtureRequest) -> Iterator[PodRunner]:
    with real_cluster(**one_pod(request.param)) as runtimes, closing(Kube()) as kube:
        yield PodRunner(runtimes, kube, request.param)


def test_files_pass_from_step_to_step_and_streams_are_their_own(
    runner: PodRunner,
) -> None:
    runner.prepare("echo hi > /w/a; echo err >&2", "cat /w/a", **TRANSFERS)

    assert runner.run("in", "x0", "x1", "out") == [0, 0, 0, 0]
    assert runner.tails("x0") == Tails(b"", b"err\n")
    assert runner.tails("x1") == Tails(b"hi\n", b"")
    assert len(runner.kube.list("jobs", runner.namespace, "")) == 1
    runner.check_nothing_is_left()


def test_outputs_go_after_a_failed_executor_and_later_ones_do_not_run(
    runner: PodRunner,
) -> None:
    runner.prepare("exit 3", "echo never", **TRANSFERS)

    assert runner.run("in", "x0", "out") == [0, 3, 0]
    runner.check_nothing_is_left()


def test_a_failed_executor_that_is_ignored_lets_the_next_run(runner: PodRunner) -> None:
    first = make_executor(image=IMAGE, command=("false",), ignore_error=True)
    second = make_executor(image=IMAGE, command=("echo", "on"))
    runner.prepare(executors=(first, second), **TRANSFERS)

    assert runner.run("in", "x0", "x1", "out") == [0, 1, 0, 0]
    runner.check_nothing_is_left()


@pytest.mark.parametrize("code", [65, 75])
def test_inputs_that_do_not_arrive_skip_the_rest(runner: PodRunner, code: int) -> None:
    runner.runtimes.set_filers([code, 0])
    runner.prepare("echo never", **TRANSFERS)

    assert runner.run("in") == [code]
    eventually(
        lambda: runner.pod()["status"]["phase"] in ("Succeeded", "Failed"),
        what="the end of the pod",
    )
    runner.check_nothing_is_left()


def test_a_filer_that_crashes_is_started_again_in_its_container(
    runner: PodRunner,
) -> None:
    runner.runtimes.set_filers([1, 0, 1, 1, 0])
    runner.prepare("true", **TRANSFERS)

    assert runner.run("in", "x0", "out") == [0, 0, 0]
    runner.check_nothing_is_left()


def test_running_out_of_memory_is_of_the_step(runner: PodRunner) -> None:
    runner.prepare("echo first", "tail /dev/zero", **TRANSFERS)

    assert runner.run("in", "x0") == [0, 0]
    runner.start("x1")
    result = runner.result("x1")

    assert result.exit_code in (1, 137)
    assert "executors[1]: ran out of memory: limit" in result.notice
    assert not result.lost
    if runner.order == "sequence":
        words = (
            r"outputs was not started: a process of executors\[1\] ran out of memory"
            r"|outputs: container x1 of its pod ended"
        )
        with pytest.raises(StepFailedError, match=words):
            runner.start("out")
    else:
        assert runner.run("out") == [0]
    runner.check_nothing_is_left()


# The kubelet looks once a minute.
@pytest.mark.parametrize(
    "runner",
    ["together", pytest.param("sequence", marks=pytest.mark.long)],
    indirect=True,
)
def test_more_files_than_were_asked_for_end_the_task_for_good(
    runner: PodRunner,
) -> None:
    fill = "dd if=/dev/zero of=/w/big bs=1M count=100; sleep 300"
    runner.prepare(fill, **TRANSFERS)
    runner.bring_inputs()
    runner.start("x0")

    result = runner.result("x0")

    assert not result.lost
    assert "the files of the task are more than its resources.disk_gb" in result.error
    runner.check_nothing_is_left()


@pytest.mark.parametrize("order", ["together", "sequence"])
def test_a_volume_in_memory_that_is_full_is_told(order: str) -> None:
    fields = one_pod(order)
    fields["offer"] = replace(fields["offer"], volume=PodVolume.MEMORY)
    with real_cluster(**fields) as runtimes, closing(Kube()) as kube:
        runner = PodRunner(runtimes, kube, order)
        runner.prepare("cat /dev/zero > /w/big", outputs=OUTPUTS)
        runner.start("x0")

        result = runner.result("x0")

        assert (result.exit_code, result.code) == (1, ReasonCode.DISK_FULL)
        assert "executors[0]: no space was left" in result.notice
        runner.check_nothing_is_left()


def test_an_image_that_is_not_there_names_its_step(runner: PodRunner) -> None:
    missing = "registry.example/nosuch:1"
    executors = (
        make_executor(image=IMAGE, command=("echo", "first")),
        make_executor(image=missing, command=("true",)),
    )
    runner.prepare(executors=executors)
    assert runner.run("x0") == [0]

    with pytest.raises(
        StepFailedError, match=rf"executors\[1\]: image {missing} cannot"
    ):
        runner.start("x1")
    runner.check_nothing_is_left()


def test_after_a_failed_step_outputs_do_not_wait_for_an_image_that_is_not_there(
    runner: PodRunner,
) -> None:
    missing = "registry.example/nosuch:1"
    runner.prepare(
        executors=(
            make_executor(image=IMAGE, command=("sh", "-c", "exit 3")),
            make_executor(image=missing, command=("true",)),
        ),
        **TRANSFERS,
    )
    assert runner.run("in", "x0") == [0, 3]

    if runner.order == "together":
        assert runner.run("out") == [0]
    else:  # the node starts none before it, even if that has nothing to do
        with pytest.raises(StepFailedError, match=rf"outputs: image {missing} cannot"):
            runner.start("out")
    runner.check_nothing_is_left()


def _delete_pod(runner: PodRunner) -> None:
    runner.kube.delete("pods", runner.namespace, runner.pod()["metadata"]["name"])


def _delete_job(runner: PodRunner) -> None:
    runner.kube.delete("jobs", runner.namespace, f"{ATTEMPT.name}-pod")


def _evict(runner: PodRunner) -> None:
    runner.kube.evict(runner.namespace, runner.pod()["metadata"]["name"])


STRIKES: dict[str, tuple[Callable[[PodRunner], None], str]] = {
    "its pod is deleted": (_delete_pod, "its pod was deleted"),
    "its Job is deleted": (_delete_job, "its Job was deleted"),
    "its pod is evicted": (_evict, "its pod was evicted"),
}
OBEYS = "trap 'exit 0' TERM; echo here; while :; do sleep 0.1; done"


@pytest.mark.parametrize(("strike", "words"), STRIKES.values(), ids=STRIKES)
def test_a_step_stopped_from_outside_is_lost_and_keeps_its_output(
    runner: PodRunner, strike: Callable[[PodRunner], None], words: str
) -> None:
    runner.prepare(OBEYS, "echo never", **TRANSFERS)
    runner.bring_inputs()
    runner.start("x0")
    eventually(lambda: runner.tails("x0").stdout == b"here\n", what="the live output")
    strike(runner)

    result = runner.result("x0")

    assert result.lost
    assert f"executors[0] lost: {words}" in result.error
    assert runner.tails("x0").stdout == b"here\n"
    runner.check_nothing_is_left()


def test_a_step_stopped_by_tesk_has_a_result_and_its_last_output(
    runner: PodRunner,
) -> None:
    runner.prepare(
        "trap 'echo bye; exit 3' TERM; echo here; while :; do sleep 0.1; done",
        "echo never",
        **TRANSFERS,
    )
    runner.bring_inputs()
    runner.start("x0")
    runner.runtime.stop(ATTEMPT, "x0", SECOND)

    result = runner.result("x0")
    assert (result.exit_code, result.error) == (3, "")
    assert runner.tails("x0").stdout == b"here\nbye\n"
    runner.check_nothing_is_left()


def test_the_release_of_what_runs_takes_seconds(runner: PodRunner) -> None:
    runner.prepare("trap '' TERM; while :; do sleep 1; done", **TRANSFERS)
    runner.bring_inputs()
    runner.start("x0")
    started = time.monotonic()

    runner.check_nothing_is_left()

    assert time.monotonic() - started < 20  # a pod's own grace is 30


def test_a_successor_finds_what_ended_without_it(runner: PodRunner) -> None:
    runner.prepare("echo one", "echo two; exit 4", **TRANSFERS)
    runner.start("in")
    runner.runtime.detach(ATTEMPT)
    eventually(
        lambda: runner.pod()["status"]["phase"] in ("Succeeded", "Failed"),
        what="the end of the pod",
    )

    runner.runtime = runner.runtimes.open_runtime()
    runner.runtime.prepare(runner.plan, "token", runner.reasons.append)

    assert not runner.runtime.needs_fitted_plan(ATTEMPT)
    assert runner.run("in", "x0", "x1", "out") == [0, 0, 4, 0]
    assert runner.tails("x0").stdout == b"one\n"
    assert runner.tails("x1").stdout == b"two\n"
    runner.check_nothing_is_left()
