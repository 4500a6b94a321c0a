"""The runtime of a cluster that is full, refuses or does not answer."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest

from fakes.taskmaster_cluster_runtimes import Programs
from fakes.taskmaster_reports import make_report
from taskmasters.attempts import (
    ATTEMPT,
    NAME,
    NOTHING,
    SOON,
    CanceledError,
    ClusterHarness,
)
from tesk_kubernetes.api import (
    JOBS,
    PODS,
    SECRETS,
    VOLUME_CLAIMS,
    ApiUnavailableError,
    QuotaExceededError,
    RefusedError,
)
from tesk_taskmaster.ports import StepFailedError


def test_an_image_that_is_missing_fails_and_cannot_start_later(
    make_harness: Callable[..., ClusterHarness],
) -> None:
    harness = make_harness()
    harness.let_pods(harness.cluster.fail_pull)
    harness.prepare()

    with pytest.raises(StepFailedError, match=r"executors\[0\]: image ubuntu:1 cannot"):
        harness.start()
    assert harness.api.all(JOBS) == harness.api.all(PODS) == []


def test_what_has_failed_cannot_start_later_though_the_api_server_was_away(
    make_harness: Callable[..., ClusterHarness],
) -> None:
    harness = make_harness(shares=True)
    harness.let_pods(harness.cluster.fail_pull)
    harness.prepare()
    away = ApiUnavailableError("connection refused")
    harness.api.fail_next("delete", JOBS, away)

    with pytest.raises(StepFailedError, match="cannot be pulled"):
        harness.start("out")
    assert harness.api.all(JOBS) == []
    assert "waiting for the Kubernetes API: connection refused" in (
        harness.report_reason.reasons
    )
    harness.let_pods(harness.cluster.start)
    harness.start("out-1")
    assert [job["metadata"]["name"] for job in harness.api.all(JOBS)] == [
        f"{NAME}-out-1"
    ]


def test_a_pull_is_reported_while_it_is_waited_for(harness: ClusterHarness) -> None:
    harness.let_pods(partial(harness.cluster.fail_pull, message="401 Unauthorized"))
    harness.report_reason.until = (
        "image ubuntu:1 cannot be pulled (given up after 90 s)"
    )
    harness.prepare()

    with pytest.raises(CanceledError):
        harness.start()


def test_a_wait_for_a_node_is_reported_with_the_reason(
    harness: ClusterHarness,
) -> None:
    harness.let_pods(harness.cluster.unschedulable)
    harness.report_reason.until = (
        "executors[0]: no node can take it: 0/1 nodes are available"
    )
    harness.prepare()

    with pytest.raises(CanceledError):
        harness.start()


def test_a_refusal_to_make_pods_is_found_in_the_events(
    make_harness: Callable[..., ClusterHarness],
) -> None:
    harness = make_harness(refusal_timeout=NOTHING)
    harness.api.quotas[PODS, "tasks"] = 0  # told like any refusal of the Job controller
    harness.report_reason.until = "a quota of the cluster has no room"
    harness.prepare()

    with pytest.raises(CanceledError):
        harness.start()
    assert harness.api.faults.calls["list", "events"] > 0


def test_a_quota_is_waited_for(harness: ClusterHarness) -> None:
    Programs(harness.api, harness.cluster)
    harness.prepare()
    error = QuotaExceededError("exceeded quota: q, used: jobs=1")
    harness.api.fail_next("create", JOBS, error)
    harness.start()

    assert harness.result().exit_code == 0
    assert harness.report_reason.reasons == [
        (
            "executors[0]: a quota of the cluster has no room (given up after 60 min): "
            "exceeded quota: q, used: jobs=1"
        )
    ]


def test_a_quota_is_not_waited_for_for_ever(
    make_harness: Callable[..., ClusterHarness],
) -> None:
    harness = make_harness(quota_timeout=timedelta(microseconds=1), shares=True)
    harness.api.quotas[VOLUME_CLAIMS, "tasks"] = 0

    with pytest.raises(
        StepFailedError, match="the task volume: a quota of the cluster"
    ):
        harness.prepare()


def test_at_a_full_quota_what_is_there_is_adopted(
    make_harness: Callable[..., ClusterHarness],
) -> None:
    harness = make_harness(shares=True)
    Programs(harness.api, harness.cluster)
    harness.prepare()
    harness.start("in")
    for kind in (SECRETS, VOLUME_CLAIMS, JOBS):
        harness.api.quotas[kind, "tasks"] = 1

    successor = harness.runtimes.open_runtime()
    successor.prepare(harness.plan, "token", harness.report_reason)
    successor.start(harness.plan, "in", harness.report_reason)

    assert successor.wait(ATTEMPT, "in", SOON) is not None
    assert len(harness.api.all(PODS)) == 1


def test_a_refused_object_fails_with_the_clusters_message(
    harness: ClusterHarness,
) -> None:
    harness.prepare()
    error = RefusedError('admission webhook "w" denied the request: no')
    harness.api.fail_next("create", JOBS, error)

    with pytest.raises(
        StepFailedError, match="refuses to create its Job: admission web"
    ):
        harness.start()


def test_an_answer_that_is_lost_makes_nothing_twice(
    make_harness: Callable[..., ClusterHarness],
) -> None:
    harness = make_harness(shares=True)
    Programs(harness.api, harness.cluster)
    lost = ApiUnavailableError("cut")
    for kind in (SECRETS, VOLUME_CLAIMS, JOBS):
        harness.api.fail_next("create", kind, lost, after=True)
    harness.prepare()
    harness.start("in")

    assert harness.result("in").exit_code == 0
    assert sorted(harness.left()) == ["Job", "PersistentVolumeClaim", "Pod", "Secret"]
    assert "waiting for the Kubernetes API: cut" in harness.report_reason.reasons


def test_an_api_server_that_is_away_is_waited_for(harness: ClusterHarness) -> None:
    harness.api.down()
    harness.report_reason.until = "waiting for the Kubernetes API"
    with pytest.raises(CanceledError):
        harness.prepare()

    harness.api.up()
    harness.report_reason.until = ""
    harness.prepare()
    running = harness.run()
    harness.api.down()
    assert harness.runtime.wait(ATTEMPT, "x0", NOTHING) is None
    harness.cluster.finish(running, report=make_report(0))
    harness.api.up()

    assert harness.result().exit_code == 0


def test_a_step_does_not_fail_while_the_api_server_is_away(
    make_harness: Callable[..., ClusterHarness],
) -> None:
    harness = make_harness(node_timeout=timedelta(seconds=2))
    harness.prepare()
    pod = harness.run()
    harness.cluster.silent_nodes.add("node-1")
    harness.api.delete(
        PODS, "tasks", pod["metadata"]["name"], grace=timedelta(seconds=1)
    )
    harness.api.down()
    assert harness.runtime.wait(ATTEMPT, "x0", timedelta(seconds=4)) is None
    harness.cluster.finish(pod, report=make_report(0))
    harness.api.up()

    assert harness.result().exit_code == 0


def test_existing_steps_are_listed_when_the_api_server_is_back(
    harness: ClusterHarness,
) -> None:
    harness.prepare()
    harness.run()
    harness.api.fail_next("list", JOBS, ApiUnavailableError("away"))

    assert harness.runtime.has_objects(ATTEMPT, harness.report_reason)
    assert harness.report_reason.reasons == ["waiting for the Kubernetes API: away"]


LISTS: dict[str, Callable[[ClusterHarness], object]] = {
    "anything": lambda it: it.runtime.has_objects(ATTEMPT, it.report_reason),
    "steps": lambda it: it.runtime.existing_steps(ATTEMPT, it.report_reason),
}


@pytest.mark.parametrize("ask", LISTS.values(), ids=LISTS)
def test_a_cancel_ends_the_wait_for_what_exists(
    harness: ClusterHarness, ask: Callable[[ClusterHarness], object]
) -> None:
    harness.report_reason.until = "waiting for the Kubernetes API"
    harness.api.down()

    with pytest.raises(CanceledError):
        ask(harness)


def test_a_release_that_cannot_be_done_is_to_be_tried_again(
    harness: ClusterHarness,
) -> None:
    harness.prepare()
    harness.run()
    harness.api.down()
    with pytest.raises(StepFailedError, match="cannot be removed"):
        harness.runtime.release(ATTEMPT)
    harness.api.up()
    harness.runtime.release(ATTEMPT)

    assert harness.left() == []
