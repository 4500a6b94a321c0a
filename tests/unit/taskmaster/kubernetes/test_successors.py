"""A successor continues the waits of its predecessor."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fakes.taskmaster_cluster_runtimes import Programs
from taskmasters.attempts import ATTEMPT, SOON, CanceledError, ClusterHarness
from tesk_kubernetes.api import (
    JOBS,
    PODS,
    VOLUME_CLAIMS,
    JsonObject,
    QuotaExceededError,
)
from tesk_model.names import Attempt
from tesk_model.task import TaskId
from tesk_runtime.clock import SystemClock
from tesk_taskmaster.ports import StepFailedError

LATER = timedelta(minutes=20)
FULL = QuotaExceededError("exceeded quota: q, used: jobs=1")


class LaterClock(SystemClock):
    """A clock on which some time has passed."""

    def now(self) -> datetime:
        return super().now() + LATER


def refuse_config(harness: ClusterHarness, pod: JsonObject) -> None:
    message = 'configmap "c" not found'
    held = harness.cluster.hold(
        pod, reason="CreateContainerConfigError", message=message
    )
    harness.cluster.add_event(held, PODS, reason="Failed", message=f"Error: {message}")


def fail_mount(harness: ClusterHarness, pod: JsonObject) -> None:
    held = harness.cluster.hold(pod, reason="ContainerCreating")
    harness.cluster.add_event(held, PODS, reason="FailedMount", message="no such claim")


def stall(harness: ClusterHarness, pod: JsonObject) -> None:
    harness.cluster.bind(pod)


def deny_image(harness: ClusterHarness, pod: JsonObject) -> None:
    harness.cluster.fail_pull(pod, message="401 Unauthorized")


def overload_registry(harness: ClusterHarness, pod: JsonObject) -> None:
    harness.cluster.fail_pull(pod, message="toomanyrequests")


def leave_unbound(harness: ClusterHarness, pod: JsonObject) -> None:
    harness.cluster.unschedulable(pod, message='persistentvolumeclaim "c" not found')


def find_no_node(harness: ClusterHarness, pod: JsonObject) -> None:
    harness.cluster.unschedulable(pod)


# What holds a step up, what is said of it, and how it ends.
HELD_UP: dict[str, tuple[Callable[[ClusterHarness, JsonObject], None], str, str]] = {
    "an image that may not be read": (
        deny_image,
        "cannot be pulled",
        "pulled, for 90 s",
    ),
    "a registry that is overloaded": (
        *(overload_registry, "cannot be pulled", "pulled, for 15 min"),
    ),
    "a configuration that is missing": (
        *(refuse_config, "cannot be started", "started, for 60 s"),
    ),
    "a mount that fails": (fail_mount, "be mounted", "be mounted, for 10 min"),
    "a node that does nothing": (stall, "starting on its node", "start it, for 5 min"),
    "a volume that is not there": (
        *(leave_unbound, "waiting for its volume", "be provided, for 10 min"),
    ),
    "no node": (find_no_node, "no node can take it", "can take it, for 10 min"),
}


@pytest.mark.parametrize(("what", "words", "end"), HELD_UP.values(), ids=HELD_UP)
def test_a_successor_does_not_wait_anew(
    make_harness: Callable[..., ClusterHarness],
    what: Callable[[ClusterHarness, JsonObject], None],
    words: str,
    end: str,
) -> None:
    harness = make_harness(schedule_timeout=timedelta(minutes=10))
    harness.let_pods(lambda pod: what(harness, pod))
    harness.report_reason.until = words
    harness.prepare()
    with pytest.raises(CanceledError):
        harness.start()

    harness.runtimes.clock = LaterClock()
    harness.cluster.repeat_events(LaterClock().now())
    successor = harness.runtimes.open_runtime()
    harness.report_reason.until = "never"
    successor.prepare(harness.plan, "token", harness.report_reason)
    with pytest.raises(StepFailedError, match=end):
        successor.start(harness.plan, "x0", harness.report_reason)


def test_whether_anything_is_left_of_an_attempt_takes_no_list_of_all(
    make_harness: Callable[..., ClusterHarness],
) -> None:
    harness = make_harness(shares=True)
    for number in range(3):
        other = replace(harness.plan, attempt=Attempt(TaskId(f"other-{number}"), 1))
        harness.runtime.prepare(other, "token", harness.report_reason)
    listed = harness.api.listed

    assert not harness.runtime.has_objects(ATTEMPT, harness.report_reason)
    assert harness.api.listed == listed


def succeed(harness: ClusterHarness) -> None:
    """Let another go on long after the attempt began."""
    harness.plan = replace(harness.plan, waiting_since=datetime.now(UTC))
    harness.runtimes.clock = LaterClock()
    harness.runtime = harness.runtimes.open_runtime()
    harness.report_reason.until = ""


def test_a_quota_that_is_full_is_not_waited_for_anew(
    make_harness: Callable[..., ClusterHarness],
) -> None:
    harness = make_harness(quota_timeout=timedelta(minutes=10), shares=True)
    harness.api.quotas[VOLUME_CLAIMS, "tasks"] = 0
    harness.report_reason.until = "the task volume: a quota of the cluster has no room"
    with pytest.raises(CanceledError):
        harness.prepare()

    succeed(harness)
    with pytest.raises(StepFailedError, match="no room, for 10 min"):
        harness.prepare()


def test_time_of_running_steps_does_not_count_as_waiting(
    make_harness: Callable[..., ClusterHarness],
) -> None:
    harness = make_harness(quota_timeout=LATER / 2)
    Programs(harness.api, harness.cluster)
    began = datetime.now(UTC) - LATER
    harness.plan = replace(harness.plan, waiting_since=began)
    harness.prepare()
    harness.start("x0")
    assert harness.runtime.wait(harness.plan.attempt, "x0", SOON) is not None

    harness.api.fail_next("create", JOBS, FULL)
    harness.start("x1")

    assert harness.result("x1").exit_code == 0


def test_a_pod_that_went_while_nobody_here_watched_it_is_lost(
    harness: ClusterHarness,
) -> None:
    other = replace(harness.plan, attempt=Attempt(TaskId("k2"), 1))
    report_reason = harness.report_reason
    harness.let_pods(harness.cluster.start)
    for plan in (harness.plan, other):
        harness.runtime.prepare(plan, "token", report_reason)
        harness.runtime.start(plan, "x0", report_reason)
    harness.runtime.close()
    successor = harness.runtimes.open_runtime()
    successor.prepare(harness.plan, "token", report_reason)
    successor.start(harness.plan, "x0", report_reason, has_started=True)
    successor.release(ATTEMPT)
    harness.cluster.remove(harness.cluster.pod_of(f"{other.attempt.name}-x0"))

    successor.prepare(other, "token", report_reason)
    with pytest.raises(StepFailedError, match="its pod is gone") as failure:
        successor.start(other, "x0", report_reason, has_started=True)
    assert failure.value.lost
