"""The runtime of a cluster inspects images, once, during the transfer of inputs."""

from collections.abc import Callable, Collection
from dataclasses import replace

import pytest

from fakes.kubernetes_cluster import image_id
from fakes.taskmaster_cluster_runtimes import Programs
from fakes.taskmaster_reports import make_report
from taskmasters.attempts import ATTEMPT, NAME, ClusterHarness
from tesk_kubernetes.api import (
    JOBS,
    PODS,
    EventType,
    JsonObject,
    Resource,
    WatchEvent,
)
from tesk_kubernetes.pods import image_digest
from tesk_kubernetes.templates import main_container
from tesk_model.names import Attempt
from tesk_model.reasons import ReasonCode
from tesk_model.task import TaskId
from tesk_taskmaster.adapters.kubernetes.manifests.inspection_job import parse_occupied
from tesk_taskmaster.ports import StepFailedError

ASKED = ["/app", "/data"]


def inspect(harness: ClusterHarness, index: int = 0) -> Collection[str]:
    return harness.runtime.inspect_image(
        harness.plan, index, ASKED, harness.report_reason
    )


def names_of_new_jobs(harness: ClusterHarness) -> list[str]:
    """Return a list that grows with each Job that is created."""
    names: list[str] = []

    def note(resource: Resource, event: WatchEvent) -> None:
        if resource == JOBS and event.type is EventType.ADDED:
            names.append(event.object["metadata"]["name"])

    harness.api.listeners.append(note)
    return names


def test_an_image_is_inspected_by_the_launcher_alone(harness: ClusterHarness) -> None:
    Programs(harness.api, harness.cluster).occupied.add("/app")
    harness.prepare()

    assert list(inspect(harness)) == ["/app"]
    main = main_container(harness.cluster.pod_of(f"{NAME}-p0"))
    assert main["image"] == "ubuntu:1"
    assert main["args"][:4] == ["--inspect", "/app", "--inspect", "/data"]
    assert [mount["mountPath"] for mount in main["volumeMounts"]] == ["/.tesk/launcher"]


def test_a_result_is_cached_for_all_attempts(harness: ClusterHarness) -> None:
    Programs(harness.api, harness.cluster).occupied.add("/data")
    harness.prepare()
    inspect(harness)
    before = harness.api.faults.calls.copy()

    assert list(inspect(harness, 1)) == ["/data"]
    assert (
        list(
            harness.runtime.inspect_image(
                harness.plan, 0, ["/app"], harness.report_reason
            )
        )
        == []
    )
    assert harness.api.faults.calls == before


def digest(harness: ClusterHarness, *directories: str) -> str:
    return harness.runtime.image_digest(
        harness.plan, 0, directories, harness.report_reason
    )


def test_the_digest_of_an_image_is_that_of_a_pod_which_runs_it(
    harness: ClusterHarness,
) -> None:
    Programs(harness.api, harness.cluster)
    harness.prepare()

    found = digest(harness)

    pod = harness.cluster.pod_of(f"{NAME}-p0")
    assert found == image_id(pod).partition("@")[2]
    assert main_container(pod)["args"][:2] == ["--inspect", "/"]


def test_the_digest_of_an_image_is_never_one_of_before(harness: ClusterHarness) -> None:
    Programs(harness.api, harness.cluster)
    harness.prepare()
    digest(harness, *ASKED)
    other = replace(harness.plan, attempt=Attempt(TaskId("k2"), 1))
    harness.runtime.prepare(other, "token", harness.report_reason)

    harness.runtime.image_digest(other, 0, ASKED, harness.report_reason)

    assert len(harness.api.all(JOBS)) == 2  # a tag may have moved
    harness.runtime.release(other.attempt)


def test_what_the_digest_was_found_by_answers_for_the_mounts_too(
    harness: ClusterHarness,
) -> None:
    Programs(harness.api, harness.cluster).occupied.add("/data")
    harness.prepare()
    digest(harness, *ASKED)

    assert list(inspect(harness)) == ["/data"]
    assert len(harness.api.all(JOBS)) == 1


def test_an_image_that_cannot_be_inspected_has_no_digest(
    harness: ClusterHarness,
) -> None:
    harness.let_pods(
        lambda pod: harness.cluster.finish(
            harness.cluster.start(pod), report=make_report(3)
        )
    )
    harness.prepare()

    with pytest.raises(StepFailedError, match="its image cannot be inspected"):
        digest(harness)


IMAGE_IDS = {
    "of a repository": ("docker.io/library/busybox@sha256:11", "sha256:11"),
    "with a scheme": ("docker-pullable://busybox@sha256:11", "sha256:11"),
    "of an image without one": ("sha256:22", "sha256:22"),
    "that is not there yet": ("", ""),
}


@pytest.mark.parametrize(("written", "want"), IMAGE_IDS.values(), ids=IMAGE_IDS)
def test_the_digest_of_a_container_is_read_off_its_image_id(
    written: str, want: str
) -> None:
    status = {"name": "main", "imageID": written, "state": {}}

    pod = {"status": {"containerStatuses": [status]}}

    assert image_digest(pod, "main") == want
    assert image_digest(pod, "other") == ""


def test_an_inspection_begins_before_its_result_is_needed(
    harness: ClusterHarness,
) -> None:
    harness.prepare()

    harness.runtime.begin_inspection(harness.plan, {0: ASKED}, harness.report_reason)
    harness.runtime.begin_inspection(harness.plan, {0: ASKED}, harness.report_reason)

    jobs = [job["metadata"]["name"] for job in harness.api.all(JOBS)]
    assert jobs == [f"{NAME}-p0"]


def test_a_successor_reads_the_answer_of_the_same_job(harness: ClusterHarness) -> None:
    harness.prepare()
    harness.runtime.begin_inspection(harness.plan, {0: ASKED}, harness.report_reason)
    pod = harness.cluster.start(harness.pod("p0"))
    harness.api.add_log("tasks", pod["metadata"]["name"], b"occupied: 1\n")
    harness.cluster.finish(pod, report=make_report(0))
    harness.runtime.close()
    harness.runtime = harness.runtimes.open_runtime()
    harness.prepare()

    assert list(inspect(harness)) == ["/data"]
    assert len(harness.api.all(JOBS)) == 1


def test_an_evicted_inspection_is_repeated(harness: ClusterHarness) -> None:
    programs = Programs(harness.api, harness.cluster)
    programs.occupied.add("/app")
    started: list[JsonObject] = []

    def evict_the_first(pod: JsonObject) -> None:
        started.append(pod)
        if len(started) == 1:
            harness.cluster.disrupt(harness.cluster.start(pod))
        else:
            programs.run(pod)

    harness.let_pods(evict_the_first)
    harness.prepare()

    assert list(inspect(harness)) == ["/app"]
    assert len(started) == 2


def test_an_inspection_that_is_evicted_repeatedly_loses_the_attempt(
    harness: ClusterHarness,
) -> None:
    harness.let_pods(lambda pod: harness.cluster.disrupt(harness.cluster.start(pod)))
    harness.prepare()

    with pytest.raises(StepFailedError, match="evicted") as caught:
        inspect(harness)
    assert caught.value.lost


def test_an_image_that_cannot_be_had_ends_the_wait_for_the_inputs(
    make_harness: Callable[..., ClusterHarness],
) -> None:
    harness = make_harness(shares=True)
    harness.let_pods(harness.cluster.fail_pull)
    harness.prepare()
    harness.runtime.begin_inspection(harness.plan, {0: ASKED}, harness.report_reason)
    harness.pod("p0")
    harness.api.quotas[PODS, "tasks"] = 1  # which the pod of the inspection has

    with pytest.raises(
        StepFailedError, match="image ubuntu:1 cannot be pulled"
    ) as caught:
        harness.start("in")
    assert caught.value.code is ReasonCode.IMAGE_PULL_FAILED


def test_an_inspection_that_nobody_waits_for_does_not_end_the_outputs(
    make_harness: Callable[..., ClusterHarness],
) -> None:
    harness = make_harness(shares=True)
    programs = Programs(harness.api, harness.cluster)

    def run_all_but_the_inspection(pod: JsonObject) -> None:
        if "-p0" in pod["metadata"]["name"]:
            harness.cluster.fail_pull(pod)
        else:
            programs.run(pod)

    harness.let_pods(run_all_but_the_inspection)
    harness.prepare()
    harness.runtime.begin_inspection(harness.plan, {0: ASKED}, harness.report_reason)
    harness.pod("p0")

    harness.start("out")

    assert harness.result("out").exit_code == 0


def test_an_answer_that_goes_while_an_executor_runs_costs_an_inspection_alone(
    harness: ClusterHarness,
) -> None:
    Programs(harness.api, harness.cluster).occupied.add("/app")
    harness.prepare()
    made = names_of_new_jobs(harness)
    harness.runtime.begin_inspection(harness.plan, {1: ASKED}, harness.report_reason)
    harness.start("x0")
    harness.cluster.remove(harness.pod("p1"))
    assert harness.result("x0").exit_code == 0

    assert list(inspect(harness, 1)) == ["/app"]
    assert made == [f"{NAME}-p1", f"{NAME}-x0", f"{NAME}-p1"]


def test_an_answer_that_is_gone_each_time_loses_the_attempt(
    harness: ClusterHarness,
) -> None:
    harness.let_pods(lambda pod: harness.cluster.finish(pod, report=make_report(0)))
    harness.prepare()
    made = names_of_new_jobs(harness)

    with pytest.raises(StepFailedError, match="was not read") as caught:
        inspect(harness)
    assert caught.value.lost
    assert made == [f"{NAME}-p0"] * 4


def test_the_digest_of_an_image_needs_no_answer(harness: ClusterHarness) -> None:
    harness.let_pods(lambda pod: harness.cluster.finish(pod, report=make_report(0)))
    harness.prepare()
    made = names_of_new_jobs(harness)

    assert digest(harness, *ASKED)
    assert made == [f"{NAME}-p0"]


def test_a_failed_inspection_says_why(harness: ClusterHarness) -> None:
    report = make_report(125, error="chdir: /x: Permission denied")
    harness.let_pods(lambda pod: harness.cluster.finish(pod, 125, report=report))
    harness.prepare()

    with pytest.raises(StepFailedError, match=r"inspected: .*Permission denied"):
        inspect(harness)


def test_an_image_that_cannot_be_pulled_is_reported_as_for_its_executor(
    harness: ClusterHarness,
) -> None:
    harness.let_pods(
        lambda pod: harness.cluster.hold(
            pod, reason="InvalidImageName", message="bad name"
        )
    )
    harness.prepare()

    with pytest.raises(StepFailedError, match=r"executors\[0\].*ubuntu:1"):
        inspect(harness)


def test_inspections_are_released_with_the_attempt(harness: ClusterHarness) -> None:
    Programs(harness.api, harness.cluster)
    harness.prepare()
    inspect(harness)

    harness.runtime.release(ATTEMPT)

    assert harness.left() == []


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
