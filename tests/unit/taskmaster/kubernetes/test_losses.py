"""The runtime of a cluster in which objects vanish, or belong to others."""

import re
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from fakes.taskmaster_cluster_runtimes import Programs
from programs.waiting import eventually
from taskmasters.attempts import ATTEMPT, NAME, NOTHING, ClusterHarness
from tesk_kubernetes.api import JOBS, PODS, SECRETS, VOLUME_CLAIMS
from tesk_taskmaster.domain.termination import StepResult
from tesk_taskmaster.ports import StepFailedError


def test_objects_of_a_deleted_anchor_are_removed(harness: ClusterHarness) -> None:
    harness.prepare()
    harness.run()
    orphan = harness.api.all(JOBS)[0]
    harness.api.vanish(SECRETS, "tasks", NAME)
    orphan["metadata"].pop("ownerReferences")
    harness.api.plant(JOBS, "tasks", orphan)

    harness.runtimes.open_runtime().release(ATTEMPT)

    assert harness.left() == []


def test_a_pod_that_is_deleted_is_lost(harness: ClusterHarness) -> None:
    harness.prepare()
    pod = harness.run()
    harness.api.delete(PODS, "tasks", pod["metadata"]["name"])

    result = harness.result()
    assert (result.error, result.lost) == (
        "executors[0] lost: its pod was deleted",
        True,
    )


def test_a_job_that_is_deleted_is_lost(harness: ClusterHarness) -> None:
    harness.prepare()
    harness.run()
    harness.api.delete(JOBS, "tasks", f"{NAME}-x0")

    result = harness.result()
    assert result.lost
    # Jobs and pods are watched apart: either may be seen to go first.
    assert re.match(r"executors\[0\] lost: its (Job|pod) was deleted", result.error)


def test_a_filer_that_is_evicted_is_started_again(
    make_harness: Callable[..., ClusterHarness],
) -> None:
    harness = make_harness(shares=True)
    harness.prepare()
    first = harness.run("in")
    harness.cluster.disrupt(first)
    assert harness.result("in").lost

    Programs(harness.api, harness.cluster)
    harness.start("in")

    assert harness.result("in") == StepResult(
        exit_code=0,
        started_at=harness.result("in").started_at,
        ended_at=harness.result("in").ended_at,
        metadata=harness.result("in").metadata,
        image_digest=harness.result("in").image_digest,
    )
    assert harness.pod("in")["metadata"]["uid"] != first["metadata"]["uid"]


def test_an_executor_that_is_evicted_is_not_started_again(
    harness: ClusterHarness,
) -> None:
    harness.prepare()
    first = harness.run()
    harness.cluster.disrupt(first)
    assert harness.result().lost

    with pytest.raises(StepFailedError) as failure:
        harness.start()
    assert failure.value.lost
    assert len(harness.api.all(PODS)) == 1


def test_a_step_does_not_start_on_a_deleted_volume(
    make_harness: Callable[..., ClusterHarness],
) -> None:
    harness = make_harness(shares=True)
    harness.prepare()
    cached = harness.runtime._cache.retain(ATTEMPT)
    eventually(lambda: cached.all(VOLUME_CLAIMS), what="the claim")
    harness.api.vanish(VOLUME_CLAIMS, "tasks", NAME)
    eventually(lambda: cached.all(VOLUME_CLAIMS)[0].is_gone, what="its end")

    with pytest.raises(StepFailedError, match="the task volume was deleted"):
        harness.start("x0")
    assert harness.api.all(JOBS) == []


def test_a_successor_does_not_make_a_volume_under_steps_that_ran(
    make_harness: Callable[..., ClusterHarness],
) -> None:
    harness = make_harness(shares=True)
    Programs(harness.api, harness.cluster)
    harness.prepare()
    harness.start("in")
    harness.api.vanish(VOLUME_CLAIMS, "tasks", NAME)

    with pytest.raises(StepFailedError, match="the task volume was deleted"):
        harness.runtimes.open_runtime().prepare(
            harness.plan, "token", harness.report_reason
        )
    assert harness.api.all(VOLUME_CLAIMS) == []


def test_a_successor_does_not_make_a_volume_for_results_that_went_with_their_anchor(
    make_harness: Callable[..., ClusterHarness],
) -> None:
    harness = make_harness(shares=True)
    Programs(harness.api, harness.cluster)
    harness.prepare()
    harness.start("in")
    harness.runtime.close()
    harness.api.change(
        *(VOLUME_CLAIMS, "tasks", NAME),
        lambda claim: claim["metadata"].update(finalizers=["x/keep"]),
    )
    harness.api.vanish(SECRETS, "tasks", NAME)
    left = harness.api.all(VOLUME_CLAIMS)
    harness.report_reason.until = "waiting for an older PersistentVolumeClaim"

    with pytest.raises(StepFailedError, match="the task volume was deleted") as failure:
        harness.runtimes.open_runtime().prepare(
            replace(harness.plan, has_results=True), "token", harness.report_reason
        )
    assert failure.value.lost
    assert harness.api.all(VOLUME_CLAIMS) == left != []


def test_a_silent_node_is_lost_and_its_pod_is_taken_away(
    make_harness: Callable[..., ClusterHarness],
) -> None:
    harness = make_harness(node_timeout=timedelta(microseconds=1))
    harness.prepare()
    harness.run()
    harness.cluster.lose_node()

    result = harness.result()
    assert result.lost
    assert (
        "executors[0]: its pod was told to end and its node does not answer"
        in result.error
    )
    harness.runtime.release(ATTEMPT)
    assert harness.left() == []


def test_a_job_of_another_program_is_not_touched(harness: ClusterHarness) -> None:
    harness.cluster.makes_pods = False
    foreign = {"metadata": {"name": f"{NAME}-x0", "labels": {}}, "spec": {}}
    harness.api.plant(JOBS, "tasks", foreign)
    harness.prepare()

    with pytest.raises(StepFailedError, match="taken by a Job of another program"):
        harness.start()
    assert len(harness.api.all(JOBS)) == 1


def test_a_job_without_a_pod_is_queried(
    make_harness: Callable[..., ClusterHarness],
) -> None:
    harness = make_harness(missing_timeout=NOTHING)
    harness.cluster.makes_pods = False
    harness.prepare()
    with pytest.raises(StepFailedError, match="lost: its Job was deleted"):  # noqa: PT012 - on the way
        threading.Timer(0.5, harness.api.vanish, (JOBS, "tasks", f"{NAME}-x0")).start()
        harness.start()
