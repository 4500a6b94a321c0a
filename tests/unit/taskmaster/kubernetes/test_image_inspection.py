"""The runtime of a cluster looks into images, once, beside the inputs' transfer."""

from collections.abc import Callable, Collection

import pytest

from fakes.taskmaster_kubernetes_kit import Programs, make_report
from taskmasters.attempts import ATTEMPT, NAME, Rig
from tesk_kubernetes.api import JOBS, PODS, JsonObject
from tesk_kubernetes.templates import main_container
from tesk_taskmaster.adapters.kubernetes.manifests.inspection_job import parse_occupied
from tesk_taskmaster.ports import StepFailedError

ASKED = ["/app", "/data"]


def look(rig: Rig, index: int = 0) -> Collection[str]:
    return rig.runtime.inspect_image(rig.plan, index, ASKED, rig.report_reason)


def test_an_image_is_looked_into_by_its_launcher_alone(rig: Rig) -> None:
    Programs(rig.api, rig.cluster).occupied.add("/app")
    rig.prepare()

    assert list(look(rig)) == ["/app"]
    main = main_container(rig.cluster.pod_of(f"{NAME}-p0"))
    assert main["image"] == "ubuntu:1"
    assert main["args"][:4] == ["--inspect", "/app", "--inspect", "/data"]
    assert [mount["mountPath"] for mount in main["volumeMounts"]] == ["/.tesk/launcher"]


def test_a_result_is_cached_for_all_attempts(rig: Rig) -> None:
    Programs(rig.api, rig.cluster).occupied.add("/data")
    rig.prepare()
    look(rig)
    before = rig.api.faults.calls.copy()

    assert list(look(rig, 1)) == ["/data"]
    assert (
        list(rig.runtime.inspect_image(rig.plan, 0, ["/app"], rig.report_reason)) == []
    )
    assert rig.api.faults.calls == before


def test_an_inspection_begins_before_its_result_is_needed(rig: Rig) -> None:
    rig.prepare()

    rig.runtime.begin_inspection(rig.plan, {0: ASKED}, rig.report_reason)
    rig.runtime.begin_inspection(rig.plan, {0: ASKED}, rig.report_reason)

    jobs = [job["metadata"]["name"] for job in rig.api.all(JOBS)]
    assert jobs == [f"{NAME}-p0"]


def test_a_successor_reads_the_answer_of_the_same_job(rig: Rig) -> None:
    rig.prepare()
    rig.runtime.begin_inspection(rig.plan, {0: ASKED}, rig.report_reason)
    pod = rig.cluster.start(rig.pod("p0"))
    rig.api.add_log("tasks", pod["metadata"]["name"], b"occupied: 1\n")
    rig.cluster.finish(pod, report=make_report(0))
    rig.runtime.close()
    rig.runtime = rig.kit.open_runtime()
    rig.prepare()

    assert list(look(rig)) == ["/data"]
    assert len(rig.api.all(JOBS)) == 1


def test_a_look_that_is_evicted_is_taken_again(rig: Rig) -> None:
    programs = Programs(rig.api, rig.cluster)
    programs.occupied.add("/app")
    started: list[JsonObject] = []

    def evict_the_first(pod: JsonObject) -> None:
        started.append(pod)
        if len(started) == 1:
            rig.cluster.disrupt(rig.cluster.start(pod))
        else:
            programs.run(pod)

    rig.let_pods(evict_the_first)
    rig.prepare()

    assert list(look(rig)) == ["/app"]
    assert len(started) == 2


def test_a_look_that_is_evicted_again_and_again_loses_the_attempt(rig: Rig) -> None:
    rig.let_pods(lambda pod: rig.cluster.disrupt(rig.cluster.start(pod)))
    rig.prepare()

    with pytest.raises(StepFailedError, match="evicted") as caught:
        look(rig)
    assert caught.value.lost


def test_an_image_that_cannot_be_had_ends_the_wait_for_the_inputs(
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig(shares=True)
    rig.let_pods(rig.cluster.fail_pull)
    rig.prepare()
    rig.runtime.begin_inspection(rig.plan, {0: ASKED}, rig.report_reason)
    rig.pod("p0")
    rig.api.quotas[PODS, "tasks"] = 1  # which the pod of the look has

    with pytest.raises(StepFailedError, match="image ubuntu:1 cannot be pulled"):
        rig.start("in")


def test_an_answer_that_is_gone_is_no_answer(rig: Rig) -> None:
    rig.let_pods(lambda pod: rig.cluster.finish(pod, report=make_report(0)))
    rig.prepare()

    with pytest.raises(StepFailedError, match="was not read") as caught:
        look(rig)
    assert caught.value.lost


def test_a_failed_inspection_says_why(rig: Rig) -> None:
    report = make_report(125, error="chdir: /x: Permission denied")
    rig.let_pods(lambda pod: rig.cluster.finish(pod, 125, report=report))
    rig.prepare()

    with pytest.raises(StepFailedError, match=r"inspected: .*Permission denied"):
        look(rig)


def test_an_image_that_cannot_be_had_is_told_as_for_its_executor(rig: Rig) -> None:
    rig.let_pods(
        lambda pod: rig.cluster.hold(pod, reason="InvalidImageName", message="bad name")
    )
    rig.prepare()

    with pytest.raises(StepFailedError, match=r"executors\[0\].*ubuntu:1"):
        look(rig)


def test_inspections_are_released_with_the_attempt(rig: Rig) -> None:
    Programs(rig.api, rig.cluster)
    rig.prepare()
    look(rig)

    rig.runtime.release(ATTEMPT)

    assert rig.left() == []


ANSWERS = {
    b"occupied:\n": [],
    b"occupied: 0 1\n": ASKED,
    b"noise\noccupied: 1\n": ["/data"],
    b"occupied: 7\n": [],
    b"occupied: 0": ["/app"],
}


@pytest.mark.parametrize(("printed", "want"), ANSWERS.items(), ids=map(repr, ANSWERS))
def test_an_answer_is_read(printed: bytes, want: list[str]) -> None:
    assert parse_occupied(printed, ASKED) == want


@pytest.mark.parametrize(
    "printed", [b"", b"occupied", b"occupied: x\n", b"x occupied:"]
)
def test_invalid_output_is_not_a_result(printed: bytes) -> None:
    assert parse_occupied(printed, ASKED) is None
