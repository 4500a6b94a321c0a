"""What a taskmaster waited for counts for its successor as well."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fakes.taskmaster_kubernetes_kit import Programs
from taskmasters.attempts import SOON, CanceledError, Rig
from tesk_kubernetes.api import (
    JOBS,
    PODS,
    VOLUME_CLAIMS,
    JsonObject,
    QuotaExceededError,
)
from tesk_runtime.clock import SystemClock
from tesk_taskmaster.ports import StepFailedError

LATER = timedelta(minutes=20)
FULL = QuotaExceededError("exceeded quota: q, used: jobs=1")


class LaterClock(SystemClock):
    """A clock on which some time has passed."""

    def now(self) -> datetime:
        return super().now() + LATER


def refuse_config(rig: Rig, pod: JsonObject) -> None:
    message = 'configmap "c" not found'
    held = rig.cluster.hold(pod, reason="CreateContainerConfigError", message=message)
    rig.cluster.add_event(held, PODS, reason="Failed", message=f"Error: {message}")


def fail_mount(rig: Rig, pod: JsonObject) -> None:
    held = rig.cluster.hold(pod, reason="ContainerCreating")
    rig.cluster.add_event(held, PODS, reason="FailedMount", message="no such claim")


def stall(rig: Rig, pod: JsonObject) -> None:
    rig.cluster.bind(pod)


def deny_image(rig: Rig, pod: JsonObject) -> None:
    rig.cluster.fail_pull(pod, message="401 Unauthorized")


def overload_registry(rig: Rig, pod: JsonObject) -> None:
    rig.cluster.fail_pull(pod, message="toomanyrequests")


def leave_unbound(rig: Rig, pod: JsonObject) -> None:
    rig.cluster.unschedulable(pod, message='persistentvolumeclaim "c" not found')


def find_no_node(rig: Rig, pod: JsonObject) -> None:
    rig.cluster.unschedulable(pod)


# What holds a step up, what is said of it, and how it ends.
HELD_UP: dict[str, tuple[Callable[[Rig, JsonObject], None], str, str]] = {
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
    make_rig: Callable[..., Rig],
    what: Callable[[Rig, JsonObject], None],
    words: str,
    end: str,
) -> None:
    rig = make_rig(schedule_timeout=timedelta(minutes=10))
    rig.let_pods(lambda pod: what(rig, pod))
    rig.report_reason.until = words
    rig.prepare()
    with pytest.raises(CanceledError):
        rig.start()

    rig.kit.clock = LaterClock()
    successor = rig.kit.open_runtime()
    rig.report_reason.until = "never"
    successor.prepare(rig.plan, "token", rig.report_reason)
    with pytest.raises(StepFailedError, match=end):
        successor.start(rig.plan, "x0", rig.report_reason)


def succeed(rig: Rig) -> None:
    """Let another go on long after the attempt began."""
    rig.plan = replace(rig.plan, waiting_since=datetime.now(UTC))
    rig.kit.clock = LaterClock()
    rig.runtime = rig.kit.open_runtime()
    rig.report_reason.until = ""


def test_a_quota_that_is_full_is_not_waited_for_anew(
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig(quota_timeout=timedelta(minutes=10), shares=True)
    rig.api.quotas[VOLUME_CLAIMS, "tasks"] = 0
    rig.report_reason.until = "the task volume: a quota of the cluster has no room"
    with pytest.raises(CanceledError):
        rig.prepare()

    succeed(rig)
    with pytest.raises(StepFailedError, match="no room, for 10 min"):
        rig.prepare()


def test_time_of_running_steps_does_not_count_as_waiting(
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig(quota_timeout=LATER / 2)
    Programs(rig.api, rig.cluster)
    began = datetime.now(UTC) - LATER
    rig.plan = replace(rig.plan, waiting_since=began)
    rig.prepare()
    rig.start("x0")
    assert rig.runtime.wait(rig.plan.attempt, "x0", SOON) is not None

    rig.api.fail_next("create", JOBS, FULL)
    rig.start("x1")

    assert rig.result("x1").exit_code == 0
