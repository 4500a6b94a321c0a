"""Attempts whose steps share a pod: started once, adopted, stopped and removed."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from builders.tasks import make_assigned_task, make_executor
from fakes.kubernetes_api import FakeKubernetesApi
from fakes.kubernetes_cluster import FakeCluster
from fakes.taskmaster_cluster_runtimes import (
    ClusterRuntimes,
    Programs,
    make_templates,
    one_pod,
)
from taskmasters.attempts import ATTEMPT, NAME, SOON, CanceledError, ReasonRecorder
from tesk_kubernetes.api import JOBS, PODS, SECRETS, VOLUME_CLAIMS, JsonObject
from tesk_model.task import Input, Output
from tesk_taskmaster.adapters.kubernetes.runtime import KubernetesRuntime
from tesk_taskmaster.domain.layouts import Layout, LayoutOffer, PodVolume
from tesk_taskmaster.domain.planning import plan_task
from tesk_taskmaster.domain.termination import StepResult
from tesk_taskmaster.ports import StepFailedError

ORDERS = ("together", "sequence")


class OnePod:
    """A cluster in memory, and an attempt all of whose steps hang until told."""

    def __init__(self, order: str) -> None:
        self.order = order
        self.api = FakeKubernetesApi()
        self.cluster = FakeCluster(self.api)
        self.programs = Programs(self.api, self.cluster)
        self.programs.filer_codes = [None, None]
        self.runtimes = ClusterRuntimes(
            api=self.api, namespaces=["tasks"], **one_pod(order)
        )
        executors = (make_executor(image="ubuntu:1", command=("sleep", "1")),) * 2
        task = make_assigned_task(
            executors=executors,
            inputs=(Input(path="/w/a", url="s3://b/a"),),
            outputs=(Output(path="/w/b", url="s3://b/b"),),
        )
        self.plan = plan_task(task, ATTEMPT)
        self.report_reason = ReasonRecorder()
        self.runtime = self.runtimes.open_runtime()

    def prepare(self) -> None:
        self.runtime.prepare(self.plan, "token", self.report_reason)

    def start(self, step: str, *, has_started: bool = False) -> None:
        self.runtime.start(self.plan, step, self.report_reason, has_started=has_started)

    def begin(self) -> None:
        self.prepare()
        self.start("in")

    def pod(self) -> JsonObject:
        return self.cluster.pod_of(f"{NAME}-pod")

    def end(self, step: str, code: int = 0, **how: Any) -> StepResult:
        """End a step, and return its result."""
        self.programs.turns.finish(self.pod(), step, code, **how)
        return self.result(step)

    def result(self, step: str) -> StepResult:
        found = self.runtime.wait(ATTEMPT, step, SOON)
        assert found is not None
        return found

    def succeed(self) -> None:
        """Let another taskmaster go on."""
        self.runtime.detach(ATTEMPT)
        self.runtime = self.runtimes.open_runtime()
        self.prepare()

    def left(self) -> list[str]:
        kinds = (SECRETS, VOLUME_CLAIMS, JOBS, PODS)
        return [body["kind"] for kind in kinds for body in self.api.all(kind)]


@pytest.fixture(params=ORDERS)
def rig(request: pytest.FixtureRequest) -> Iterator[OnePod]:
    made = OnePod(request.param)
    with closing(made.runtimes):
        yield made
        made.api.up()


STEPS = ("in", "x0", "x1", "out")


def test_all_steps_are_one_job_without_a_claim(rig: OnePod) -> None:
    rig.begin()
    for step in STEPS:
        rig.start(step)
        assert rig.end(step).exit_code == 0

    assert [job["metadata"]["name"] for job in rig.api.all(JOBS)] == [f"{NAME}-pod"]
    assert len(rig.api.all(PODS)) == 1
    assert rig.api.all(VOLUME_CLAIMS) == []
    rig.runtime.release(ATTEMPT)
    assert rig.left() == []


def test_outputs_are_transferred_after_a_failed_executor(rig: OnePod) -> None:
    rig.begin()
    rig.end("in")
    rig.start("x0")

    assert rig.end("x0", 3).exit_code == 3
    rig.start("out")
    assert rig.end("out").exit_code == 0


def test_nothing_starts_after_a_step_of_a_sequence_that_ran_out_of_memory(
    rig: OnePod,
) -> None:
    rig.begin()
    rig.end("in")
    rig.start("x0")
    rig.end("x0", 137, reason="OOMKilled")

    if rig.order == "together":
        rig.start("out")
        assert rig.end("out").exit_code == 0
        return
    with pytest.raises(StepFailedError) as failure:
        rig.start("out")
    assert str(failure.value) == (
        "the transfer of outputs: executors[0] ran out of memory, after which no "
        "container of its pod is started"
    )
    assert not failure.value.lost
    rig.runtime.release(ATTEMPT)
    assert rig.left() == []


def test_inputs_that_do_not_arrive_skip_all(rig: OnePod) -> None:
    rig.begin()

    assert rig.end("in", 75).exit_code == 75
    assert rig.pod()["status"]["phase"] in ("Failed", "Succeeded")


@pytest.mark.parametrize("phase", STEPS)
def test_a_successor_adopts_the_pod_in_every_phase(rig: OnePod, phase: str) -> None:
    rig.begin()
    for step in STEPS[: STEPS.index(phase)]:
        rig.start(step)
        rig.end(step)
    rig.start(phase)

    rig.succeed()

    assert not rig.runtime.needs_fitted_plan(ATTEMPT)
    for step in STEPS[STEPS.index(phase) :]:
        rig.start(step, has_started=step == phase and step.startswith("x"))
        assert rig.end(step).exit_code == 0
    assert len(rig.api.all(PODS)) == 1
    rig.runtime.release(ATTEMPT)
    assert rig.left() == []


def test_what_ended_while_nobody_was_there_is_found(rig: OnePod) -> None:
    rig.begin()
    rig.runtime.detach(ATTEMPT)
    for step, code in zip(STEPS, (0, 0, 4, 0), strict=True):
        rig.programs.turns.finish(rig.pod(), step, code)

    rig.runtime = rig.runtimes.open_runtime()
    rig.prepare()
    codes = []
    for step in STEPS:
        rig.start(step)
        codes.append(rig.result(step).exit_code)

    assert codes == [0, 0, 4, 0]


def test_a_successor_goes_on_whatever_the_settings_say_now(rig: OnePod) -> None:
    rig.begin()
    before = rig.runtime.layout(rig.plan)
    rig.runtimes.offer = LayoutOffer(layout="jobs")

    rig.succeed()

    after = rig.runtime.layout(rig.plan)
    assert before is not None
    assert after is not None
    assert (after.layout, after.order) == (before.layout, before.order)
    assert after.why == "as it was begun"
    rig.start("in")
    assert rig.end("in").exit_code == 0
    assert rig.api.all(VOLUME_CLAIMS) == []


def test_jobs_go_on_as_jobs_whatever_the_settings_say_now(rig: OnePod) -> None:
    offer, rig.runtimes.offer = rig.runtimes.offer, LayoutOffer(layout="jobs")
    rig.runtime = rig.runtimes.open_runtime()
    rig.begin()
    rig.runtimes.offer = offer

    rig.succeed()

    choice = rig.runtime.layout(rig.plan)
    assert choice is not None
    assert choice.layout is Layout.JOBS
    rig.cluster.finish(rig.cluster.pod_of(f"{NAME}-in"), 0)
    rig.start("in")
    assert rig.result("in").exit_code == 0


def test_a_pod_is_made_once_in_an_attempt(rig: OnePod) -> None:
    rig.begin()
    rig.end("in")
    rig.succeed()
    rig.api.vanish(JOBS, "tasks", f"{NAME}-pod")

    with pytest.raises(StepFailedError, match=r"executors\[0\] lost: its Job was") as e:
        rig.start("x0")

    assert e.value.lost
    assert rig.api.all(JOBS) == []


def test_an_executor_that_is_known_to_have_started_is_not_started_again(
    rig: OnePod,
) -> None:
    rig.prepare()

    with pytest.raises(StepFailedError, match="lost: its Job was deleted") as failure:
        rig.start("x0", has_started=True)

    assert failure.value.lost
    assert rig.api.all(JOBS) == []


LOSSES: dict[str, tuple[Callable[[OnePod], object], str]] = {
    "its pod is deleted": (lambda rig: rig.cluster.remove(rig.pod()), "was deleted"),
    "its node is drained": (lambda rig: rig.cluster.disrupt(rig.pod()), "was evicted"),
    "its node has no memory": (
        lambda rig: rig.cluster.crash(
            rig.pod(), reason="Evicted", message="The node was low on resource: memory."
        ),
        "low on resource",
    ),
    "its Job is deleted": (
        lambda rig: rig.api.delete(JOBS, "tasks", f"{NAME}-pod"),
        "was deleted",  # the Job or its pod: the watch of either may be ahead
    ),
}


@pytest.mark.parametrize(("strike", "words"), LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("phase", STEPS)
def test_a_lost_pod_is_lost_and_not_made_again(
    rig: OnePod, phase: str, strike: Callable[[OnePod], object], words: str
) -> None:
    rig.begin()
    for step in STEPS[: STEPS.index(phase)]:
        rig.start(step)
        rig.end(step)
    rig.start(phase)
    strike(rig)

    result = rig.result(phase)

    assert result.lost
    assert words in result.error
    assert len(rig.api.all(JOBS)) <= 1
    rig.runtime.release(ATTEMPT)
    assert rig.left() == []


def test_a_full_volume_fails_for_good(rig: OnePod) -> None:
    rig.begin()
    rig.end("in")
    rig.start("x0")
    message = 'Usage of EmptyDir volume "tesk-volume" exceeds the limit "50Mi". '
    rig.cluster.crash(rig.pod(), reason="Evicted", message=message)

    result = rig.result("x0")

    assert not result.lost
    assert (
        "executors[0]: the files of the task are more than its resources.disk_gb"
        in (result.error)
    )


@pytest.mark.parametrize("phase", STEPS)
def test_stopping_a_step_stops_the_pod(rig: OnePod, phase: str) -> None:
    rig.begin()
    for step in STEPS[: STEPS.index(phase)]:
        rig.start(step)
        rig.end(step)
    rig.start(phase)

    rig.runtime.stop(ATTEMPT, phase, timedelta(seconds=1))

    assert rig.result(phase).exit_code in (137, 143)
    assert rig.api.all(PODS) == []
    rig.runtime.release(ATTEMPT)
    assert rig.left() == []


def test_an_image_that_cannot_be_pulled_names_its_step_when_its_turn_comes(
    rig: OnePod,
) -> None:
    broken = {"reason": "ErrImagePull", "message": "manifest unknown"}
    rig.programs.turns.broken["x1"] = broken
    rig.begin()
    rig.end("in")
    rig.start("x0")
    assert rig.end("x0").exit_code == 0

    with pytest.raises(StepFailedError) as failure:
        rig.start("x1")

    assert str(failure.value) == (
        "executors[1]: image ubuntu:1 cannot be pulled: manifest unknown"
    )
    assert not failure.value.lost
    rig.runtime.release(ATTEMPT)
    assert rig.left() == []


def test_a_filer_that_cannot_start_is_named(rig: OnePod) -> None:
    rig.programs.turns.broken["in"] = {"reason": "InvalidImageName", "message": "bad"}

    with pytest.raises(StepFailedError, match=r"of inputs: .*is not a valid image"):
        rig.begin()


def test_output_is_that_of_the_container(rig: OnePod) -> None:
    rig.begin()
    rig.end("in")
    rig.start("x0")
    name = rig.pod()["metadata"]["name"]
    rig.api.add_log("tasks", name, b"first\n", container="x0")
    rig.end("x0")
    rig.start("x1")
    rig.api.add_log("tasks", name, b"second\n", container="x1")
    rig.end("x1")

    assert rig.runtime.tails(ATTEMPT, "x0").stdout == b"first\n"
    assert rig.runtime.tails(ATTEMPT, "x1").stdout == b"second\n"


def test_a_layout_that_cannot_be_had_fails_with_its_reason(rig: OnePod) -> None:
    template = make_templates()
    filer = {**template.filer, "spec": {**template.filer["spec"], "hostPID": True}}
    rig.runtimes.templates = replace(template, filer=filer)
    rig.runtime = rig.runtimes.open_runtime()

    with pytest.raises(
        StepFailedError, match=r"cannot share a pod here: spec\.hostPID"
    ):
        rig.prepare()
    rig.runtime.release(ATTEMPT)
    assert rig.left() == []


def test_a_pod_may_have_the_claim_of_the_attempt(rig: OnePod) -> None:
    rig.runtimes.offer = replace(rig.runtimes.offer, volume=PodVolume.CLAIM)
    rig.runtime = rig.runtimes.open_runtime()
    rig.begin()

    assert len(rig.api.all(VOLUME_CLAIMS)) == 1
    rig.end("in")
    rig.succeed()
    rig.start("x0")
    assert rig.end("x0").exit_code == 0
    rig.runtime.release(ATTEMPT)
    assert rig.left() == []


def test_a_cancel_while_it_waits_for_a_node_leaves_nothing(rig: OnePod) -> None:
    rig.cluster.program = lambda pod: (rig.cluster.unschedulable(pod), None)[1]
    rig.report_reason.until = "no node"
    rig.prepare()
    with pytest.raises(CanceledError):
        rig.start("in")

    rig.runtime.release(ATTEMPT)

    assert rig.left() == []


def test_a_runtime_of_jobs_has_nothing_to_choose() -> None:
    rig = OnePod("together")
    rig.runtimes.offer = LayoutOffer()
    with closing(rig.runtimes):
        runtime: KubernetesRuntime = rig.runtimes.open_runtime()
        runtime.prepare(rig.plan, "token", rig.report_reason)

        assert runtime.layout(rig.plan) is None
        assert not runtime.needs_fitted_plan(ATTEMPT)
