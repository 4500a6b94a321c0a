"""What a taskmaster does that finds nothing of an executor that had started.

Somebody deleted the Job while no taskmaster watched: one was killed, and its
successor knows from the scheduler alone that the command has run.
"""

from collections.abc import Callable, Iterator

import pytest

from builders.tasks import make_assigned_task, make_executor
from fakes.kubernetes_api import FakeKubernetesApi
from fakes.kubernetes_cluster import FakeCluster
from fakes.taskmaster_cluster_runtimes import ClusterRuntimes, Programs
from tesk_kubernetes.api import (
    JOBS,
    PODS,
    SECRETS,
    VOLUME_CLAIMS,
    ApiUnavailableError,
    Propagation,
)
from tesk_model.names import Attempt
from tesk_model.reasons import Reason
from tesk_model.task import Input, TaskId
from tesk_taskmaster.adapters.kubernetes.runtime import KubernetesRuntime
from tesk_taskmaster.domain.planning import plan_task
from tesk_taskmaster.ports import StepFailedError

ATTEMPT = Attempt(TaskId("s1"), 1)
NAME = ATTEMPT.name
JOB = f"{NAME}-x0"


class Scene:
    """A cluster with an executor that runs, and its taskmaster gone."""

    def __init__(self, *, shares: bool) -> None:
        self.api = FakeKubernetesApi()
        self.cluster = FakeCluster(self.api)
        Programs(self.api, self.cluster)
        self.runtimes = ClusterRuntimes(api=self.api, namespaces=["tasks"])
        self.plan = plan_task(
            make_assigned_task(
                executors=(make_executor(command=("sleep", "600")),),
                inputs=(Input(path="/w/a", url="s3://b/a"),) if shares else (),
            ),
            ATTEMPT,
        )
        first = self.runtimes.open_runtime()
        first.prepare(self.plan, "token", report_reason)
        for step in ("in", "x0") if shares else ("x0",):
            first.start(self.plan, step, report_reason)
        first.close()

    def succeed(self) -> KubernetesRuntime:
        """Let the next taskmaster take the attempt up."""
        runtime = self.runtimes.open_runtime()
        runtime.prepare(self.plan, "token", report_reason)
        return runtime

    def left(self) -> list[str]:
        kinds = (SECRETS, VOLUME_CLAIMS, JOBS, PODS)
        return [body["metadata"]["name"] for k in kinds for body in self.api.all(k)]


def report_reason(_reason: Reason) -> None:
    """Nobody listens."""


@pytest.fixture
def make_scene() -> Iterator[Callable[..., Scene]]:
    scenes: list[Scene] = []

    def make(*, shares: bool = False) -> Scene:
        scenes.append(Scene(shares=shares))
        return scenes[-1]

    yield make
    for scene in scenes:
        scene.runtimes.close()


def delete_job(scene: Scene) -> None:
    scene.api.delete(JOBS, "tasks", JOB)


def delete_job_alone(scene: Scene) -> None:
    scene.api.delete(JOBS, "tasks", JOB, propagation=Propagation.ORPHAN)


def delete_anchor(scene: Scene) -> None:
    scene.api.delete(SECRETS, "tasks", NAME)


DELETED: dict[str, Callable[[Scene], None]] = {
    "its Job, and its pod with it": delete_job,
    "its Job, and its pod runs on": delete_job_alone,
    "all of the attempt": delete_anchor,
}


@pytest.mark.parametrize("delete", DELETED.values(), ids=DELETED)
def test_an_executor_of_which_nothing_is_found_is_lost(
    make_scene: Callable[..., Scene], delete: Callable[[Scene], None]
) -> None:
    scene = make_scene()
    delete(scene)
    runtime = scene.succeed()

    with pytest.raises(StepFailedError) as failure:
        runtime.start(scene.plan, "x0", report_reason, has_started=True)

    assert str(failure.value) == "executors[0] lost: its Job was deleted"
    assert failure.value.lost
    assert scene.api.all(JOBS) == []


def test_so_is_one_whose_volume_and_filer_are_still_there(
    make_scene: Callable[..., Scene],
) -> None:
    scene = make_scene(shares=True)
    delete_job(scene)
    runtime = scene.succeed()

    with pytest.raises(StepFailedError, match="lost: its Job was deleted"):
        runtime.start(scene.plan, "x0", report_reason, has_started=True)

    assert [job["metadata"]["name"] for job in scene.api.all(JOBS)] == [f"{NAME}-in"]


@pytest.mark.parametrize("delete", DELETED.values(), ids=DELETED)
@pytest.mark.parametrize("shares", [False, True])
def test_release_stops_all_processes_of_a_lost_executor(
    make_scene: Callable[..., Scene], delete: Callable[[Scene], None], shares: bool
) -> None:
    scene = make_scene(shares=shares)
    delete(scene)
    runtime = scene.succeed()
    with pytest.raises(StepFailedError):
        runtime.start(scene.plan, "x0", report_reason, has_started=True)

    runtime.release(ATTEMPT)

    assert scene.left() == []


def test_an_existing_executor_is_adopted(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene()
    before = scene.api.all(PODS)

    scene.succeed().start(scene.plan, "x0", report_reason, has_started=True)

    assert scene.api.all(PODS) == before


def test_silence_of_the_cluster_is_no_absence(
    make_scene: Callable[..., Scene],
) -> None:
    scene = make_scene()
    runtime = scene.succeed()
    before = scene.api.all(PODS)
    reasons: list[Reason] = []
    scene.api.fail_next("get", JOBS, ApiUnavailableError("gone to lunch"))

    runtime.start(scene.plan, "x0", reasons.append, has_started=True)

    assert "waiting for the Kubernetes API: gone to lunch" in [
        reason.text for reason in reasons
    ]
    assert scene.api.all(PODS) == before


def test_an_executor_without_a_reported_start_is_created_again(
    make_scene: Callable[..., Scene],
) -> None:
    scene = make_scene()
    delete_job(scene)

    scene.succeed().start(scene.plan, "x0", report_reason)

    assert [job["metadata"]["name"] for job in scene.api.all(JOBS)] == [JOB]
