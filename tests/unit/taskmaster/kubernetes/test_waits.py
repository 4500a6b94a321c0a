"""The runtime of a cluster that cannot do what is asked now, or refuses."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest

from fakes.taskmaster_kubernetes_kit import Programs, make_report
from taskmasters.attempts import ATTEMPT, NOTHING, SOON, CanceledError, Rig
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
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig()
    rig.let_pods(rig.cluster.fail_pull)
    rig.prepare()

    with pytest.raises(StepFailedError, match=r"executors\[0\]: image ubuntu:1 cannot"):
        rig.start()
    assert rig.api.all(JOBS) == rig.api.all(PODS) == []


def test_a_pull_is_waited_for_in_words(rig: Rig) -> None:
    rig.let_pods(partial(rig.cluster.fail_pull, message="401 Unauthorized"))
    rig.report_reason.until = "image ubuntu:1 cannot be pulled (given up after 90 s)"
    rig.prepare()

    with pytest.raises(CanceledError):
        rig.start()


def test_a_node_that_is_waited_for_is_told_with_the_reason(rig: Rig) -> None:
    rig.let_pods(rig.cluster.unschedulable)
    rig.report_reason.until = (
        "executors[0]: no node can take it: 0/1 nodes are available"
    )
    rig.prepare()

    with pytest.raises(CanceledError):
        rig.start()


def test_a_refusal_to_make_pods_is_found_in_the_events(
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig(refusal_timeout=NOTHING)
    rig.api.quotas[PODS, "tasks"] = 0  # told like any refusal of the Job controller
    rig.report_reason.until = "a quota of the cluster has no room"
    rig.prepare()

    with pytest.raises(CanceledError):
        rig.start()
    assert rig.api.faults.calls["list", "events"] > 0


def test_a_quota_is_waited_for(rig: Rig) -> None:
    Programs(rig.api, rig.cluster)
    rig.prepare()
    error = QuotaExceededError("exceeded quota: q, used: jobs=1")
    rig.api.fail_next("create", JOBS, error)
    rig.start()

    assert rig.result().exit_code == 0
    assert rig.report_reason.heard == [
        (
            "executors[0]: a quota of the cluster has no room (given up after 60 min): "
            "exceeded quota: q, used: jobs=1"
        )
    ]


def test_a_quota_is_not_waited_for_for_ever(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(quota_timeout=timedelta(microseconds=1), shares=True)
    rig.api.quotas[VOLUME_CLAIMS, "tasks"] = 0

    with pytest.raises(
        StepFailedError, match="the task volume: a quota of the cluster"
    ):
        rig.prepare()


def test_at_a_full_quota_what_is_there_is_adopted(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(shares=True)
    Programs(rig.api, rig.cluster)
    rig.prepare()
    rig.start("in")
    for kind in (SECRETS, VOLUME_CLAIMS, JOBS):
        rig.api.quotas[kind, "tasks"] = 1

    successor = rig.kit.open_runtime()
    successor.prepare(rig.plan, "token", rig.report_reason)
    successor.start(rig.plan, "in", rig.report_reason)

    assert successor.wait(ATTEMPT, "in", SOON) is not None
    assert len(rig.api.all(PODS)) == 1


def test_a_refused_object_fails_with_the_clusters_message(rig: Rig) -> None:
    rig.prepare()
    error = RefusedError('admission webhook "w" denied the request: no')
    rig.api.fail_next("create", JOBS, error)

    with pytest.raises(
        StepFailedError, match="refuses to create its Job: admission web"
    ):
        rig.start()


def test_an_answer_that_is_lost_makes_nothing_twice(
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig(shares=True)
    Programs(rig.api, rig.cluster)
    lost = ApiUnavailableError("cut")
    for kind in (SECRETS, VOLUME_CLAIMS, JOBS):
        rig.api.fail_next("create", kind, lost, after=True)
    rig.prepare()
    rig.start("in")

    assert rig.result("in").exit_code == 0
    assert sorted(rig.left()) == ["Job", "PersistentVolumeClaim", "Pod", "Secret"]
    assert "waiting for the Kubernetes API: cut" in rig.report_reason.heard


def test_an_api_server_that_is_away_is_waited_for(rig: Rig) -> None:
    rig.api.down()
    rig.report_reason.until = "waiting for the Kubernetes API"
    with pytest.raises(CanceledError):
        rig.prepare()

    rig.api.up()
    rig.report_reason.until = ""
    rig.prepare()
    running = rig.run()
    rig.api.down()
    assert rig.runtime.wait(ATTEMPT, "x0", NOTHING) is None
    rig.cluster.finish(running, report=make_report(0))
    rig.api.up()

    assert rig.result().exit_code == 0


def test_a_step_does_not_fail_while_the_api_server_is_away(
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig(node_timeout=timedelta(seconds=2))
    rig.prepare()
    pod = rig.run()
    rig.cluster.silent_nodes.add("node-1")
    rig.api.delete(PODS, "tasks", pod["metadata"]["name"], grace=timedelta(seconds=1))
    rig.api.down()
    assert rig.runtime.wait(ATTEMPT, "x0", timedelta(seconds=4)) is None
    rig.cluster.finish(pod, report=make_report(0))
    rig.api.up()

    assert rig.result().exit_code == 0


def test_existing_steps_are_listed_when_the_api_server_is_back(rig: Rig) -> None:
    rig.prepare()
    rig.run()
    rig.api.fail_next("list", JOBS, ApiUnavailableError("away"))

    assert rig.runtime.attempts() == [ATTEMPT]


def test_a_release_that_cannot_be_done_is_to_be_tried_again(rig: Rig) -> None:
    rig.prepare()
    rig.run()
    rig.api.down()
    with pytest.raises(StepFailedError, match="cannot be removed"):
        rig.runtime.release(ATTEMPT)
    rig.api.up()
    rig.runtime.release(ATTEMPT)

    assert rig.left() == []
