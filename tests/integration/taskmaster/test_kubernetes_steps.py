"""Steps on a real cluster: what it does to them, and what is left of them."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any, cast

import pytest

from builders.tasks import make_assigned_task, make_executor
from cluster.kube import Kube, Object
from cluster.taskmasters import CountedApi, real_cluster
from fakes.taskmaster_kubernetes_kit import (
    IMAGE,
    ClusterKit,
    make_settings,
)
from programs.waiting import eventually
from tesk_kubernetes.api import KubernetesApi
from tesk_model.names import Attempt
from tesk_model.reasons import Reason
from tesk_model.task import Input, Output, Resources, TaskId
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


class Site:
    """A namespace of the cluster with one attempt."""

    def __init__(self, kit: ClusterKit, kube: Kube) -> None:
        self.kit = kit
        self.kube = kube
        self.heard: list[Reason] = []
        self.runtime: KubernetesRuntime
        self.plan: Plan

    @property
    def namespace(self) -> str:
        return self.kit.namespaces[0]

    def prepare(self, *commands: tuple[str, ...], **task: Any) -> None:
        image = task.pop("image", IMAGE)
        executors = tuple(make_executor(image=image, command=c) for c in commands)
        self.runtime = task.pop("runtime", None) or self.kit.open_runtime()
        made = make_assigned_task(executors=executors, **({"resources": SMALL} | task))
        self.plan = plan_task(made, ATTEMPT)
        self.runtime.prepare(self.plan, "token", self.heard.append)

    def start(self, step: str = "x0") -> None:
        self.runtime.start(self.plan, step, self.heard.append)

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
def site() -> Iterator[Site]:
    with real_cluster() as kit, closing(Kube()) as kube:
        yield Site(kit, kube)


def test_streams_and_code_come_apart_and_times_are_told(site: Site) -> None:
    result, tails = site.run("sh", "-c", "echo out; echo err >&2; exit 7")

    assert (result.exit_code, result.error, result.note) == (7, "", "")
    assert tails == Tails(b"out\n", b"err\n")
    assert result.started_at is not None
    assert result.ended_at is not None
    assert result.metadata["pod"].startswith(f"{ATTEMPT.name}-x0-")
    assert result.metadata["node"]
    site.runtime.release(ATTEMPT)
    assert site.left() == []


def test_files_pass_from_step_to_step(site: Site) -> None:
    site.prepare(
        ("sh", "-c", "echo hi > /w/a"),
        ("cat", "/w/a"),
        inputs=(Input(path="/w/in", url="s3://b/a"),),
        outputs=(Output(path="/w/b", url="s3://b/b"),),
    )
    for step in ("in", "x0", "x1", "out"):
        site.start(step)
        assert site.result(step).exit_code == 0

    assert site.runtime.tails(ATTEMPT, "x1").stdout == b"hi\n"
    site.runtime.release(ATTEMPT)
    assert site.left() == []


WATCHED = ("pods", "jobs", "persistentvolumeclaims")


def spent_on(site: Site, *steps: str) -> Counter[str]:
    """Run these steps to their end and return the calls that it took."""
    counted = CountedApi(site.kit.api)
    site.kit.api = cast("KubernetesApi", counted)
    shares = "in" in steps
    runtime = site.kit.open_runtime()
    runtime.release(Attempt(TaskId("none"), 1))  # the watches are open now
    eventually(
        lambda: all(counted.calls[f"watch {kind}"] for kind in WATCHED),
        what="the watches",
    )
    before = counted.calls.copy()
    site.prepare(
        ("true",),
        inputs=(Input(path="/w/in", url="s3://b/a"),) if shares else (),
        outputs=(Output(path="/w/b", url="s3://b/b"),) if shares else (),
        runtime=runtime,
    )
    for step in steps:
        site.start(step)
        site.result(step)
        if step.startswith("x"):
            runtime.tails(ATTEMPT, step)
    runtime.release(ATTEMPT)
    spent = counted.calls - before
    assert spent.pop("list limitranges") == 1  # in a minute, for all tasks
    # A machine that is busy is slow to start pods, and then we ask why.
    del spent["list events"]
    return spent


def test_a_trivial_task_costs_four_calls(site: Site) -> None:
    spent = spent_on(site, "x0")

    assert spent == {
        "create secrets": 1,
        "create jobs": 1,
        "logs pods/log": 1,
        "delete secrets": 1,
    }


def test_a_task_with_files_costs_seven(site: Site) -> None:
    spent = spent_on(site, "in", "x0", "out")

    assert spent == {
        "create secrets": 1,
        "create persistentvolumeclaims": 1,
        "create jobs": 3,
        "logs pods/log": 1,
        "delete secrets": 1,
    }


def test_memory_that_runs_out_is_said(site: Site) -> None:
    little = Resources(cpu_cores=0.1, ram_gb=0.03125, disk_gb=1)
    result, _ = site.run("sh", "-c", "tail /dev/zero", resources=little)

    assert result.exit_code in (1, 137)  # the shell may survive its child
    assert "ran out of memory: limit 32 MiB" in result.note
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
def test_what_cannot_start_fails_with_the_clusters_words(
    site: Site, task: dict[str, Any], words: str
) -> None:
    site.kit.settings = make_settings(**SHORT)
    site.prepare(("true",), **task)

    with pytest.raises(StepFailedError) as failure:
        site.start()
    assert words in str(failure.value)
    assert not failure.value.lost
    site.runtime.release(ATTEMPT)
    assert site.left() == []


def test_a_volume_that_nobody_provides_is_said(site: Site) -> None:
    site.kit.settings = make_settings(**SHORT, storage_class="nosuch")
    site.prepare(("true",), volumes=("/v",))

    with pytest.raises(StepFailedError, match=r"cannot be provided, for 3 s: .*nosuch"):
        site.start()
    site.runtime.release(ATTEMPT)
    assert site.left() == []


def test_a_policy_that_refuses_pods_is_said(site: Site) -> None:
    site.kube.patch(
        "namespaces",
        "",
        site.namespace,
        {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}},
    )
    site.kit.settings = make_settings(**SHORT)
    site.prepare(("true",))

    with pytest.raises(StepFailedError, match="refuses to run it, for 3 s: violates"):
        site.start()


def test_a_quota_is_said_and_waited_for(site: Site) -> None:
    quota = {
        "metadata": {"name": "q"},
        "spec": {"hard": {"count/jobs.batch": "0"}},
    }
    path = f"/api/v1/namespaces/{site.namespace}/resourcequotas"
    site.kube.call("POST", path, body=quota)
    eventually(
        lambda: site.kube.call("GET", f"{path}/q")["status"].get("used"),
        what="the quota",
    )
    site.prepare(("true",))

    def free() -> None:
        site.kube.call("DELETE", f"{path}/q")

    threading.Timer(2, free).start()
    site.start()

    assert site.result().exit_code == 0
    assert any("exceeded quota: q" in reason.text for reason in site.heard)


def limit_range(site: Site, **item: Any) -> None:
    """Let the namespace have a LimitRange."""
    body = {
        "metadata": {"name": "tight"},
        "spec": {"limits": [{"type": "Container", **item}]},
    }
    path = f"/api/v1/namespaces/{site.namespace}/limitranges"
    site.kube.call("POST", path, body=body)


def test_what_a_limit_range_would_refuse_is_made_to_fit(site: Site) -> None:
    limit_range(
        site,
        default={"cpu": "5m"},  # less than is asked for
        max={"cpu": "15m"},
        maxLimitRequestRatio={"cpu": "2"},
    )
    site.prepare(("true",))

    site.start()

    assert site.result().exit_code == 0


def test_what_a_limit_range_will_never_let_be_fails_at_once(site: Site) -> None:
    limit_range(site, max={"memory": "32Mi"})

    with pytest.raises(StepFailedError, match="the LimitRange tight of the cluster"):
        site.prepare(("true",))


def _delete_pod(site: Site) -> None:
    site.kube.delete("pods", site.namespace, site.pod()["metadata"]["name"])


def _delete_job(site: Site) -> None:
    site.kube.delete("jobs", site.namespace, f"{ATTEMPT.name}-x0")


def _evict(site: Site) -> None:
    site.kube.evict(site.namespace, site.pod()["metadata"]["name"])


STRIKES: dict[str, tuple[Callable[[Site], None], str]] = {
    "its pod is deleted": (_delete_pod, "its pod was deleted"),
    "its Job is deleted": (_delete_job, "its Job was deleted"),
    "its pod is evicted": (_evict, "its pod was evicted"),
}
OBEYS = "trap 'exit 0' TERM; echo here; while :; do sleep 0.1; done"


@pytest.mark.parametrize(("strike", "words"), STRIKES.values(), ids=STRIKES)
def test_what_is_ended_from_outside_is_lost_but_not_what_it_printed(
    site: Site, strike: Callable[[Site], None], words: str
) -> None:
    site.prepare(("sh", "-c", OBEYS))
    site.start()
    eventually(
        lambda: site.runtime.tails(ATTEMPT, "x0").stdout == b"here\n",
        what="the live output",
    )
    strike(site)

    result = site.result()
    assert result.lost
    assert f"executors[0] lost: {words}" in result.error
    assert site.runtime.tails(ATTEMPT, "x0").stdout == b"here\n"
    site.runtime.release(ATTEMPT)
    assert site.left() == []


def test_what_is_stopped_by_us_has_a_result_and_its_last_words(site: Site) -> None:
    last_words = "trap 'echo bye; exit 3' TERM; echo here; while :; do sleep 0.1; done"
    site.prepare(("sh", "-c", last_words))
    site.start()
    site.runtime.stop(ATTEMPT, "x0", SECOND)

    result = site.result()
    assert (result.exit_code, result.error) == (3, "")
    assert site.runtime.tails(ATTEMPT, "x0").stdout == b"here\nbye\n"


def test_the_release_of_what_runs_takes_seconds(site: Site) -> None:
    site.prepare(
        ("sh", "-c", "trap '' TERM; while :; do sleep 1; done"), volumes=("/v",)
    )
    site.start()
    successor = site.kit.open_runtime()
    started = time.monotonic()
    successor.release(ATTEMPT)

    assert site.left() == []
    assert time.monotonic() - started < 20  # a pod's own grace is 30


def test_a_filer_is_started_again_after_its_eviction(site: Site) -> None:
    site.kit.set_filers([None, 0])
    site.prepare(("true",), inputs=(Input(path="/w/in", url="s3://b/a"),))
    site.start("in")
    site.kube.evict(site.namespace, site.pod("in")["metadata"]["name"])
    first = site.result("in")
    site.start("in")

    assert first.lost
    assert site.result("in").exit_code == 0
