"""Removal of an attempt that takes long: which objects are waited for, and how."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from fakes.taskmaster_cluster_runtimes import Programs
from programs.waiting import eventually
from taskmasters.attempts import ATTEMPT, NAME, ClusterHarness
from tesk_kubernetes.api import JOBS, PODS, VOLUME_CLAIMS, JsonObject, Resource
from tesk_runtime.clock import SystemClock
from tesk_taskmaster.adapters.kubernetes.control.removal import incomplete_removal
from tesk_taskmaster.ports import LeftoversError, StepFailedError

LONG_AGO = {"deletionTimestamp": "2026-01-01T00:00:00Z"}


def left(resource: Resource, **metadata: object) -> tuple[Resource, JsonObject]:
    """Return an object that is still there."""
    return resource, {"metadata": {"name": "tesk-t-a1", **metadata}}


LEFT = {
    "a claim that a finalizer keeps": (
        [left(VOLUME_CLAIMS, **LONG_AGO, finalizers=["x/protect"])],
        True,
        "it waits for x/protect",
    ),
    "a claim that was deleted": (
        [left(VOLUME_CLAIMS, **LONG_AGO)],
        True,
        "it was deleted at 2026-01-01",
    ),
    "a pod that may still run": ([left(PODS, **LONG_AGO)], False, "still there"),
    "a pod beside a claim": (
        [left(VOLUME_CLAIMS, **LONG_AGO), left(PODS, **LONG_AGO)],
        False,
        "it was deleted",
    ),
    "a Job that nobody deleted": ([left(JOBS)], False, "still there"),
}


@pytest.mark.parametrize(("objects", "is_over", "words"), LEFT.values(), ids=LEFT)
def test_only_deleted_objects_that_do_not_run_are_left_to_the_cluster(
    objects: list[tuple[Resource, JsonObject]], is_over: bool, words: str
) -> None:
    error = incomplete_removal(objects)

    assert isinstance(error, LeftoversError) is is_over
    assert words in str(error)


class HastyClock(SystemClock):
    """Half a minute passes in a second."""

    def monotonic(self) -> float:
        return super().monotonic() * 30


def test_what_the_cluster_removes_late_is_waited_for_by_watching(
    make_harness: Callable[..., ClusterHarness],
) -> None:
    harness = make_harness()
    harness.runtimes.clock = HastyClock()
    harness.runtime = harness.runtimes.open_runtime()
    Programs(harness.api, harness.cluster)
    harness.prepare()
    harness.start()
    harness.result()
    name = f"{NAME}-x0"
    harness.api.change(
        JOBS, "tasks", name, lambda job: job["metadata"].update(finalizers=["x/keep"])
    )
    calls = harness.api.faults.calls
    lists = calls["list", "jobs"]

    with ThreadPoolExecutor() as threads:
        removal = threads.submit(harness.runtime.release, ATTEMPT)
        eventually(
            lambda: calls["list", "jobs"] > lists,
            what="a look at the cluster itself",
        )
        harness.api.vanish(JOBS, "tasks", name)
        removal.result()

    assert harness.left() == []
    assert calls["list", "jobs"] - lists <= 2


def test_a_removal_that_is_tried_again_does_not_delete_the_anchor_again(
    make_harness: Callable[..., ClusterHarness],
) -> None:
    harness = make_harness()
    harness.runtimes.clock = HastyClock()
    harness.runtime = harness.runtimes.open_runtime()
    Programs(harness.api, harness.cluster)
    harness.prepare()
    harness.start()
    harness.result()
    name = f"{NAME}-x0"
    harness.api.change(
        JOBS, "tasks", name, lambda job: job["metadata"].update(finalizers=["x/keep"])
    )
    with pytest.raises(StepFailedError, match="x/keep"):
        harness.runtime.release(ATTEMPT)
    deletes = harness.api.faults.calls["delete", "secrets"]

    with pytest.raises(StepFailedError, match="x/keep"):
        harness.runtime.release(ATTEMPT)

    assert harness.api.faults.calls["delete", "secrets"] == deletes
