"""In a cluster, in each layout: a candidate counts, or the task runs, by the same pods."""

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from builders.tasks import make_assigned_task, make_executor
from fakes.kubernetes_api import FakeKubernetesApi
from fakes.kubernetes_cluster import FakeCluster
from fakes.taskmaster_cluster_runtimes import ClusterRuntimes, Programs, one_pod
from fakes.taskmaster_scheduler import FakeScheduler
from taskmasters.running import SETTINGS, outcome
from tesk_kubernetes.api import JOBS, EventType, Resource, WatchEvent
from tesk_kubernetes.labels import STEP
from tesk_model.events import (
    CandidateRejected,
    EventPayload,
    ExecutorEnded,
    Finished,
    Outcome,
    Released,
)
from tesk_model.names import Attempt
from tesk_model.task import Input, Output, TaskId
from tesk_runtime.clock import SystemClock
from tesk_taskmaster.domain.assignment import Assignment, Candidate
from tesk_taskmaster.usecases.reporter import Reporter
from tesk_taskmaster.usecases.taskmaster import Taskmaster

BEFORE = TaskId("t0")
TASK = make_assigned_task(
    executors=(make_executor(image="ubuntu:1", command=("true",)),) * 2,
    inputs=(Input(path="/w/a", url="s3://b/a"),),
    outputs=(Output(path="/w/b", url="s3://b/b"),),
)


@dataclass
class Site:
    """A cluster in memory, and taskmasters that run one attempt each."""

    runtimes: ClusterRuntimes
    programs: Programs
    steps: list[str] = field(default_factory=list)
    ran: int = 0

    def hear(self, resource: Resource, event: WatchEvent) -> None:
        """Note the step of each new Job."""
        if resource == JOBS and event.type is EventType.ADDED:
            self.steps.append(event.object["metadata"]["labels"][STEP])

    def run(self, candidate: Candidate | None = None) -> list[EventPayload]:
        """Run the task as another attempt; return what was told."""
        self.ran += 1
        self.steps.clear()
        attempt = Attempt(TaskId(f"t{self.ran}"), 1)
        scheduler, clock, stop = FakeScheduler(), SystemClock(), threading.Event()
        taskmaster = Taskmaster(
            scheduler=scheduler,
            runtime=self.runtimes.open_runtime(),
            reporter=Reporter(scheduler, clock, hold=timedelta(0)),
            clock=clock,
            settings=SETTINGS,
        )
        thread = threading.Thread(target=taskmaster.run, args=(stop,))
        thread.start()
        try:
            scheduler.assign(
                Assignment(
                    attempt=attempt, task=TASK, transfer_token="t", candidate=candidate
                )
            )
            scheduler.wait_for(attempt, Released)
        finally:
            stop.set()
            thread.join(30)
        return scheduler.payloads(attempt)


LAYOUTS = {
    "jobs": ["p0", "in", "x0", "x1", "out"],
    "together": ["p0", "pod"],
    "sequence": ["p0", "pod"],
}


@pytest.fixture(params=LAYOUTS)
def layout(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def site(layout: str) -> Iterator[Site]:
    api = FakeKubernetesApi()
    fields = {} if layout == "jobs" else one_pod(layout)
    with closing(ClusterRuntimes(api=api, namespaces=["tasks"], **fields)) as runtimes:
        site = Site(runtimes, Programs(api, FakeCluster(api)))
        api.listeners.append(site.hear)
        yield site


def digests(told: list[EventPayload]) -> tuple[str, ...]:
    return tuple(what.image_digest for what in told if isinstance(what, ExecutorEnded))


def test_a_candidate_counts_without_a_step_of_the_task(site: Site) -> None:
    ran = digests(site.run())
    assert len(ran) == 2
    assert all(each.startswith("sha256:") for each in ran)

    told = site.run(Candidate(task_id=BEFORE, image_digests=ran))

    assert outcome(told) == Finished(Outcome.COMPLETE, candidate=BEFORE)
    # One image, looked at by a pod of this attempt, though its result was known.
    assert site.steps == ["check", "p0"]


def test_after_a_difference_of_files_the_task_runs(site: Site, layout: str) -> None:
    site.programs.filer_codes = [65]

    told = site.run(Candidate(task_id=BEFORE, image_digests=("sha256:1",) * 2))

    assert CandidateRejected() in told
    assert outcome(told) == Finished(Outcome.COMPLETE)
    assert sorted(site.steps) == sorted(["check", *LAYOUTS[layout]])


def test_after_a_difference_of_images_the_task_runs(site: Site, layout: str) -> None:
    site.programs.occupied = {"/w"}

    told = site.run(Candidate(task_id=BEFORE, image_digests=("sha256:1",) * 2))

    text = "executors[0].image: ubuntu:1 is another image now"
    assert CandidateRejected(text) in told
    assert outcome(told) == Finished(Outcome.COMPLETE)
    # What looked at the image for its digest has looked for the mounts as well.
    assert sorted(site.steps) == sorted(["check", *LAYOUTS[layout]])
