"""Steps on a real cluster: results, failures and removal."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any, cast

import pytest

from builders.tasks import make_assigned_task, make_executor
from cluster.faults import make_quota
from cluster.kube import Kube, Object
from cluster.taskmasters import CountedApi, real_cluster
from fakes.taskmaster_cluster_runtimes import (
    IMAGE,
    ClusterRuntimes,
    make_settings,
)
from programs.waiting import eventually
from tesk_kubernetes.api import KubernetesApi
from tesk_model.names import Attempt
from tesk_model.reasons import Reason
from tesk_model.task import Input, Output, Resources, TaskId
from tesk_model.waits import NodeCause, WaitDetails, WaitScope
from tesk_taskmaster.adapters.kubernetes.runtime import KubernetesRuntime
from tesk_taskmaster.domain.plan import Plan
from tesk_taskmaster.domain.planning import plan_task
from tesk_taskmaster.domain.termination import StepResult
from tesk_taskmaster.ports import StepFailedError, Tails

pytestmark = pytest.mark.cluster

GENEROUS = timedelta(seconds=60)
SECOND = timedelta(seconds=1)
ATTEMPT = Attempt(TaskId("s1"), 1)
SMALL = Resources(cpu_cores=0.01, ram_gb=0.0625, disk_gb=1)
SHORT = {
    name: timedelta(seconds=3)
    for name in (
        "image_timeout",
        "image_missing_timeout",
        "config_timeout",
        "schedule_timeout",
        "volume_timeout",
        "refusal_timeout",
        "quota_timeout",
    )
}


class StepRunner:
    """A namespace of the cluster with one attempt."""

    def __init__(self, runtimes: ClusterRuntimes, kube: Kube) -> None:
        self.runtimes = runtimes
        self.kube = kube
        self.reasons: list[Reason] = []
        self.runtime: KubernetesRuntime
        self.plan: Plan

    @property
    def namespace(self) -> str:
        return self.runtimes.namespaces[0]

    def prepare(self, *commands: tuple[str, ...], **task: Any) -> None:
        image = task.pop("image", IMAGE)
        executors = tuple(make_executor(image=image, command=c) for c in commands)
        self.runtime = task.pop("runtime", None) or self.runtimes.open_runtime()
        made = make_assigned_task(executors=executors, **({"resources": SMALL} | task))
        self.plan = plan_task(made, ATTEMPT)
        self.runtime.prepare(self.plan, "token", self.reasons.append)

    def start(self, step: str = "x0") -> None:
        self.runtime.start(self.plan, step, self.reasons.append)

    def result(self, step: str = "x0") -> StepResult:
        found = self.runtime.wait(ATTEMPT, step, GENEROUS)
        assert found is not None
        return found

    def run(self, *command: str, **task: Any) -> tuple[StepResult, Tails]:
        """Run one executor to its end."""
        self.prepare(command, **task)
        self.start()
        result = self.result()
        return result, self.runtime.tails(ATTEMPT, "x0")

    def pod(self, step: str = "x0") -> Object:
        return self.kube.list("pods", self.namespace, f"tesk/step={step}")[0]

    def left(self) -> list[str]:
        labels = f"tesk/task={ATTEMPT.task_id}"
        kinds = ("pods", "jobs", "persistentvolumeclaims", "secrets")
        return [
            f"{kind}/{item['metadata']['name']}"
            for kind in kinds
            for item in self.kube.list(kind, self.namespace, labels)
        ]


@pytest.fixture
def runner() -> Iterator[StepRunner]:
    with real_cluster() as runtimes, closing(Kube()) as kube:
        yield StepRunner(runtimes, kube)


def test_streams_are_separate_and_times_are_reported(runner: StepRunner) -> None:
    result, tails = runner.run("sh", "-c", "echo out; echo err >&2; exit 7")

    assert (result.exit_code, result.error, result.notice) == (7, "", "")
    assert tails == Tails(b"out\n", b"err\n")
    assert result.started_at is not None
    assert result.ended_at is not None
    assert result.metadata["pod"].startswith(f"{ATTEMPT.name}-x0-")
    assert result.metadata["node"]
    runner.runtime.release(ATTEMPT)
    assert runner.left() == []


def test_files_pass_from_step_to_step(runner: StepRunner) -> None:
    runner.prepare(
        ("sh", "-c", "echo hi > /w/a"),
        ("cat", "/w/a"),
        inputs=(Input(path="/w/in", url="s3://b/a"),),
        outputs=(Output(path="/w/b", url="s3://b/b"),),
    )
    for step in ("in", "x0", "x1", "out"):
        runner.start(step)
        assert runner.result(step).exit_code == 0

    assert runner.runtime.tails(ATTEMPT, "x1").stdout == b"hi\n"
    runner.runtime.release(ATTEMPT)
    assert runner.left() == []


WATCHED = ("pods", "jobs", "persistentvolumeclaims")


def spent_on(runner: StepRunner, *steps: str) -> Counter[str]:
    """Run these steps to their end and return the calls that it took."""
    counted = CountedApi(runner.runtimes.api)
    runner.runtimes.api = cast("KubernetesApi", counted)
    shares = "in" in steps
    runtime = runner.runtimes.open_runtime()
    runtime.release(Attempt(TaskId("none"), 1))  # the watches are open now
    eventually(
        lambda: all(counted.calls[f"watch {kind}"] for kind in WATCHED),
        what="the watches",
    )
    before = counted.calls.copy()
    runner.prepare(
        ("true",),
        inputs=(Input(path="/w/in", url="s3://b/a"),) if shares else (),
        outputs=(Output(path="/w/b", url="s3://b/b"),) if shares else (),
        runtime=runtime,
    )
    for step in steps:
        runner.start(step)
        runner.result(step)
        if step.startswith("x"):
            runtime.tails(ATTEMPT, step)
    runtime.release(ATTEMPT)
    spent = counted.calls - before
    assert spent.pop("list limitranges") == 1  # in a minute, for all tasks
    # A machine that is busy is slow to start pods, and then we ask why.
    del spent["list events"]
    return spent


def test_a_trivial_task_costs_three_calls(runner: StepRunner) -> None:
    spent = spent_on(runner, "x0")

    # It prints nothing, so that there is no log to read.
    assert spent == {"create secrets": 1, "create jobs": 1, "delete secrets": 1}


def test_a_task_with_files_costs_six(runner: StepRunner) -> None:
    spent = spent_on(runner, "in", "x0", "out")

    assert spent == {
        "create secrets": 1,
        "create persistentvolumeclaims": 1,
        "create jobs": 3,
        "delete secrets": 1,
    }


def test_running_out_of_memory_is_reported(runner: StepRunner) -> None:
    little = Resources(cpu_cores=0.1, ram_gb=0.03125, disk_gb=1)
    result, _ = runner.run("sh", "-c", "tail /dev/zero", resources=little)

    assert result.exit_code in (1, 137)  # the shell may survive its child
    assert "ran out of memory: limit 32 MiB" in result.notice
    assert not result.lost


# What cannot start here. How the task is; words of the reason.
HOPELESS: dict[str, tuple[dict[str, Any], str]] = {
    "no such image": (
        {"image": "registry.example/nosuch:1"},
        "image registry.example/nosuch:1 cannot be pulled: failed to pull and",
    ),
    "no image name": ({"image": "Not/A Name"}, "Not/A Name is not a valid image name"),
    "more than any node has": (
        {"resources": Resources(cpu_cores=4000, ram_gb=1, disk_gb=1)},
        "no node can take it, for 3 s: 0/1 nodes are available: 1 Insufficient cpu",
    ),
}


@pytest.mark.parametrize(("task", "words"), HOPELESS.values(), ids=HOPELESS)
def test_a_step_that_cannot_start_fails_with_the_clusters_message(
    runner: StepRunner, task: dict[str, Any], words: str
) -> None:
    runner.runtimes.settings = make_settings(**SHORT)
    runner.prepare(("true",), **task)

    with pytest.raises(StepFailedError) as failure:
        runner.start()
    assert words in str(failure.value)
    assert not failure.value.lost
    runner.runtime.release(ATTEMPT)
    assert runner.left() == []


def test_nodes_that_take_no_pod_are_counted_by_cause(runner: StepRunner) -> None:
    longer = {"schedule_timeout": timedelta(seconds=10)}
    runner.runtimes.settings = make_settings(**(SHORT | longer))
    large = Resources(cpu_cores=4000, ram_gb=1, disk_gb=1)
    runner.prepare(("true",), resources=large)

    with pytest.raises(StepFailedError, match="no node can take it"):
        runner.start()

    told = [reason.details for reason in runner.reasons if reason.details]
    assert (told[-1].scope, told[-1].dimension) == (WaitScope.NODE, "cpu")
    assert told[-1].remedy == "goes on when a node has enough cpu free"
    # The cluster may have other nodes, with taints.
    assert NodeCause("Insufficient cpu", 1) in told[-1].nodes


def test_a_volume_without_a_provisioner_is_reported(runner: StepRunner) -> None:
    runner.runtimes.settings = make_settings(**SHORT, storage_class="nosuch")
    runner.prepare(("true",), volumes=("/v",))

    with pytest.raises(StepFailedError, match=r"cannot be provided, for 3 s: .*nosuch"):
        runner.start()
    runner.runtime.release(ATTEMPT)
    assert runner.left() == []


def test_a_policy_that_refuses_pods_is_reported(runner: StepRunner) -> None:
    runner.kube.patch(
        "namespaces",
        "",
        runner.namespace,
        {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}},
    )
    runner.runtimes.settings = make_settings(**SHORT)
    runner.prepare(("true",))

    with pytest.raises(StepFailedError, match="refuses to run it, for 3 s: violates"):
        runner.start()


def test_a_full_quota_is_reported_and_waited_for(runner: StepRunner) -> None:
    spec = {"hard": {"count/jobs.batch": "0"}}
    make_quota(runner.kube, runner.namespace, "q", spec)
    runner.prepare(("true",))

    def free() -> None:
        runner.kube.delete("resourcequotas", runner.namespace, "q")

    threading.Timer(2, free).start()
    runner.start()

    assert runner.result().exit_code == 0
    assert any("exceeded quota: q" in reason.text for reason in runner.reasons)
    told = [reason.details for reason in runner.reasons if reason.details]
    assert told[0] == WaitDetails(
        scope=WaitScope.CLUSTER_QUOTA,
        subject="q",
        dimension="count/jobs.batch",
        used=0,
        limit=0,
        needed=1,
        remedy="goes on when the quota q of the cluster has room",
    )


def limit_range(runner: StepRunner, **item: Any) -> None:
    """Let the namespace have a LimitRange."""
    body = {
        "metadata": {"name": "tight"},
        "spec": {"limits": [{"type": "Container", **item}]},
    }
    path = f"/api/v1/namespaces/{runner.namespace}/limitranges"
    runner.kube.call("POST", path, body=body)


def test_resources_are_fitted_into_a_limit_range(runner: StepRunner) -> None:
    limit_range(
        runner,
        default={"cpu": "5m"},  # less than is asked for
        max={"cpu": "15m"},
        maxLimitRequestRatio={"cpu": "2"},
    )
    runner.prepare(("true",))

    runner.start()

    assert runner.result().exit_code == 0


def test_a_request_above_a_limit_range_fails_at_once(runner: StepRunner) -> None:
    limit_range(runner, max={"memory": "32Mi"})

    with pytest.raises(StepFailedError, match="the LimitRange tight of the cluster"):
        runner.prepare(("true",))


def _delete_pod(runner: StepRunner) -> None:
    runner.kube.delete("pods", runner.namespace, runner.pod()["metadata"]["name"])


def _delete_job(runner: StepRunner) -> None:
    runner.kube.delete("jobs", runner.namespace, f"{ATTEMPT.name}-x0")


def _evict(runner: StepRunner) -> None:
    runner.kube.evict(runner.namespace, runner.pod()["metadata"]["name"])


STRIKES: dict[str, tuple[Callable[[StepRunner], None], str]] = {
    "its pod is deleted": (_delete_pod, "its pod was deleted"),
    "its Job is deleted": (_delete_job, "its Job was deleted"),
    "its pod is evicted": (_evict, "its pod was evicted"),
}
OBEYS = "trap 'exit 0' TERM; echo here; while :; do sleep 0.1; done"


@pytest.mark.parametrize(("strike", "words"), STRIKES.values(), ids=STRIKES)
def test_a_step_stopped_from_outside_is_lost_and_keeps_its_output(
    runner: StepRunner, strike: Callable[[StepRunner], None], words: str
) -> None:
    runner.prepare(("sh", "-c", OBEYS))
    runner.start()
    eventually(
        lambda: runner.runtime.tails(ATTEMPT, "x0").stdout == b"here\n",
        what="the live output",
    )
    strike(runner)

    result = runner.result()
    assert result.lost
    assert f"executors[0] lost: {words}" in result.error
    assert runner.runtime.tails(ATTEMPT, "x0").stdout == b"here\n"
    runner.runtime.release(ATTEMPT)
    assert runner.left() == []


def test_a_step_stopped_by_tesk_has_a_result_and_its_last_output(
    runner: StepRunner,
) -> None:
    last_words = "trap 'echo bye; exit 3' TERM; echo here; while :; do sleep 0.1; done"
    runner.prepare(("sh", "-c", last_words))
    runner.start()
    runner.runtime.stop(ATTEMPT, "x0", SECOND)

    result = runner.result()
    assert (result.exit_code, result.error) == (3, "")
    assert runner.runtime.tails(ATTEMPT, "x0").stdout == b"here\nbye\n"


def test_the_release_of_what_runs_takes_seconds(runner: StepRunner) -> None:
    runner.prepare(
        ("sh", "-c", "trap '' TERM; while :; do sleep 1; done"), volumes=("/v",)
    )
    runner.start()
    successor = runner.runtimes.open_runtime()
    started = time.monotonic()
    successor.release(ATTEMPT)

    assert runner.left() == []
    assert time.monotonic() - started < 20  # a pod's own grace is 30


def test_a_filer_is_started_again_after_its_eviction(runner: StepRunner) -> None:
    runner.runtimes.set_filers([None, 0])
    runner.prepare(("true",), inputs=(Input(path="/w/in", url="s3://b/a"),))
    runner.start("in")
    runner.kube.evict(runner.namespace, runner.pod("in")["metadata"]["name"])
    first = runner.result("in")
    runner.start("in")

    assert first.lost
    assert runner.result("in").exit_code == 0
