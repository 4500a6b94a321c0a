"""Attempts whose steps share a pod: started once, adopted, stopped and removed."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest

from fakes.taskmaster_cluster_runtimes import (
    make_templates,
)
from taskmasters.attempts import ATTEMPT, NAME, CanceledError
from taskmasters.one_pod import OnePod
from tesk_kubernetes.api import JOBS, PODS, VOLUME_CLAIMS
from tesk_taskmaster.adapters.kubernetes.runtime import KubernetesRuntime
from tesk_taskmaster.domain.layouts import Layout, LayoutOffer, PodVolume
from tesk_taskmaster.ports import StepFailedError

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
        "the transfer of outputs was not started: a process of executors[0] ran out of "
        "memory, after which Kubernetes starts no container of its pod; ask for more "
        "ram_gb, or for the layout jobs"
    )
    assert not failure.value.lost
    rig.runtime.release(ATTEMPT)
    assert rig.left() == []


def test_a_step_of_which_only_a_child_ran_out_of_memory_has_succeeded(
    rig: OnePod,
) -> None:
    rig.begin()
    rig.end("in")
    rig.start("x0")

    result = rig.end("x0", 0, reason="OOMKilled")

    assert (result.exit_code, result.error, result.notice) == (0, "", "")
    if rig.order == "sequence":
        with pytest.raises(StepFailedError, match=r"\[1\] was not started: a process"):
            rig.start("x1")
    else:
        rig.start("x1")
        assert rig.end("x1").exit_code == 0


def test_a_filer_of_which_a_child_ran_out_of_memory_is_worth_another_attempt(
    rig: OnePod,
) -> None:
    rig.begin()

    assert rig.end("in", 0, reason="OOMKilled").exit_code == 0

    if rig.order == "together":
        rig.start("x0")
        assert rig.end("x0").exit_code == 0
        return
    with pytest.raises(StepFailedError) as failure:
        rig.start("x0")
    assert str(failure.value) == (
        "executors[0] was not started: a process of the transfer of inputs ran out of "
        "memory, after which Kubernetes starts no container of its pod; filers need "
        "more memory here (filer.resources)"
    )
    assert failure.value.lost


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


def test_a_successor_knows_the_order_of_a_pod_of_one_step(rig: OnePod) -> None:
    rig.plan = replace(
        rig.plan, executors=rig.plan.executors[:1], has_inputs=False, has_outputs=False
    )
    rig.prepare()
    rig.start("x0")
    before = rig.runtime.layout(rig.plan)

    rig.succeed()

    after = rig.runtime.layout(rig.plan)
    assert before is not None
    assert after is not None
    assert str(after) == str(before) == f"pod, {rig.order}"


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
    "its pod is deleted": (
        lambda rig: rig.cluster.remove(rig.pod()),
        "its pod was deleted",
    ),
    "its node is drained": (lambda rig: rig.cluster.disrupt(rig.pod()), "was evicted"),
    "its node has no memory": (
        lambda rig: rig.cluster.crash(
            rig.pod(), reason="Evicted", message="The node was low on resource: memory."
        ),
        "low on resource",
    ),
    "its Job is deleted": (
        lambda rig: rig.api.delete(JOBS, "tasks", f"{NAME}-pod"),
        "its Job was deleted",
    ),
    "its Job is suspended": (
        lambda rig: rig.cluster.preempt(rig.api.all(JOBS)[0]),
        "its Job was suspended",
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
