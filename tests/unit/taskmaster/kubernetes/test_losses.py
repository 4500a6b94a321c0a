"""The runtime of a cluster in which things vanish, or are not ours."""

import re
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from fakes.taskmaster_kubernetes_kit import Programs
from programs.waiting import eventually
from taskmasters.attempts import ATTEMPT, NAME, NOTHING, Rig
from tesk_kubernetes.api import JOBS, PODS, SECRETS, VOLUME_CLAIMS
from tesk_taskmaster.domain.termination import StepResult
from tesk_taskmaster.ports import StepFailedError


def test_objects_of_a_deleted_anchor_are_removed(rig: Rig) -> None:
    rig.prepare()
    rig.run()
    orphan = rig.api.all(JOBS)[0]
    rig.api.vanish(SECRETS, "tasks", NAME)
    orphan["metadata"].pop("ownerReferences")
    rig.api.plant(JOBS, "tasks", orphan)

    rig.kit.open_runtime().release(ATTEMPT)

    assert rig.left() == []


def test_a_pod_that_is_deleted_is_lost(rig: Rig) -> None:
    rig.prepare()
    pod = rig.run()
    rig.api.delete(PODS, "tasks", pod["metadata"]["name"])

    result = rig.result()
    assert (result.error, result.lost) == (
        "executors[0] lost: its pod was deleted",
        True,
    )


def test_a_job_that_is_deleted_is_lost(rig: Rig) -> None:
    rig.prepare()
    rig.run()
    rig.api.delete(JOBS, "tasks", f"{NAME}-x0")

    result = rig.result()
    assert result.lost
    # Jobs and pods are watched apart: either may be seen to go first.
    assert re.match(r"executors\[0\] lost: its (Job|pod) was deleted", result.error)


def test_a_filer_that_is_evicted_is_started_again(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(shares=True)
    rig.prepare()
    first = rig.run("in")
    rig.cluster.disrupt(first)
    assert rig.result("in").lost

    Programs(rig.api, rig.cluster)
    rig.start("in")

    assert rig.result("in") == StepResult(
        exit_code=0,
        started_at=rig.result("in").started_at,
        ended_at=rig.result("in").ended_at,
        metadata=rig.result("in").metadata,
    )
    assert rig.pod("in")["metadata"]["uid"] != first["metadata"]["uid"]


def test_an_executor_that_is_evicted_is_not_started_again(rig: Rig) -> None:
    rig.prepare()
    first = rig.run()
    rig.cluster.disrupt(first)
    assert rig.result().lost

    with pytest.raises(StepFailedError) as failure:
        rig.start()
    assert failure.value.lost
    assert len(rig.api.all(PODS)) == 1


def test_a_step_does_not_start_on_a_deleted_volume(
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig(shares=True)
    rig.prepare()
    cached = rig.runtime._cache.retain(ATTEMPT)
    eventually(lambda: cached.all(VOLUME_CLAIMS), what="the claim")
    rig.api.vanish(VOLUME_CLAIMS, "tasks", NAME)
    eventually(lambda: cached.all(VOLUME_CLAIMS)[0].is_gone, what="its end")

    with pytest.raises(StepFailedError, match="the task volume was deleted"):
        rig.start("x0")
    assert rig.api.all(JOBS) == []


def test_a_successor_does_not_make_a_volume_under_steps_that_ran(
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig(shares=True)
    Programs(rig.api, rig.cluster)
    rig.prepare()
    rig.start("in")
    rig.api.vanish(VOLUME_CLAIMS, "tasks", NAME)

    with pytest.raises(StepFailedError, match="the task volume was deleted"):
        rig.kit.open_runtime().prepare(rig.plan, "token", rig.report_reason)
    assert rig.api.all(VOLUME_CLAIMS) == []


def test_a_silent_node_is_lost_and_its_pod_is_taken_away(
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig(node_timeout=timedelta(microseconds=1))
    rig.prepare()
    rig.run()
    rig.cluster.lose_node()

    result = rig.result()
    assert result.lost
    assert (
        "executors[0]: its pod was told to end and its node does not answer"
        in result.error
    )
    rig.runtime.release(ATTEMPT)
    assert rig.left() == []


def test_a_name_that_is_not_ours_is_not_touched(rig: Rig) -> None:
    rig.cluster.makes_pods = False
    foreign = {"metadata": {"name": f"{NAME}-x0", "labels": {}}, "spec": {}}
    rig.api.plant(JOBS, "tasks", foreign)
    rig.prepare()

    with pytest.raises(StepFailedError, match="taken by a Job of another program"):
        rig.start()
    assert len(rig.api.all(JOBS)) == 1


def test_a_job_without_a_pod_is_looked_for(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(missing_timeout=NOTHING)
    rig.cluster.makes_pods = False
    rig.prepare()
    with pytest.raises(StepFailedError, match="lost: its Job was deleted"):  # noqa: PT012 - on the way
        threading.Timer(0.5, rig.api.vanish, (JOBS, "tasks", f"{NAME}-x0")).start()
        rig.start()
