"""Tasks in queues of Kueue: they borrow, wait in words, and give back, in both layouts."""

import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from cluster.kube import name_of, wait_until_none
from cluster.kueue import kueue, missing, queues, workloads
from cluster.release import Release, installed
from cluster.session import Session
from cluster.values import merged
from programs.waiting import eventually
from scenarios.scenario import shell

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(900),
    pytest.mark.skipif(bool(missing()), reason=missing()),
]

# Room for one task in each queue, and for one more as long as the other has none.
CPU, SHARE = 0.1, "100m"
WAITING = "executors[0]: waiting in the queue a of the cluster: couldn't assign flavors"
VALUES = {
    "placement": {"queue": "a", "queues": ["b"]},
    "quota": {"capacity": "unlimited"},
    "taskmaster": {"layoutsAllowed": ["jobs", "pod"]},
}


@pytest.fixture(scope="module")
def tesk(session: Session) -> Iterator[Release]:
    namespace = f"{session.name}-queues"
    values = merged(session.values(), VALUES)
    with ExitStack() as stack:
        stack.enter_context(kueue())
        release = stack.enter_context(installed(session.kube, namespace, values))
        stack.enter_context(queues(session.kube, namespace, {"a": SHARE, "b": SHARE}))
        release.connect()
        yield release


class Submitter:
    """Submits tasks of one layout that go on until they are told to end."""

    def __init__(self, release: Release, layout: str) -> None:
        self._release = release
        self._layout = layout

    def submit(self, **parameters: str) -> str:
        script = "until [ -e /tmp/go ]; do sleep 0.2; done; echo done"
        wanted = {"layout": self._layout, **parameters}
        resources = {"cpu_cores": CPU, "backend_parameters": wanted}
        return self._release.create(
            {"executors": [shell(script)], "resources": resources}
        )

    def finish(self, *task_ids: str) -> None:
        """Let tasks end, each as soon as it runs."""
        release = self._release

        def are_complete() -> bool:
            left = [task for task in task_ids if release.state(task) != "COMPLETE"]
            for task in left:
                if release.state(task) == "RUNNING":
                    for pod in release.of_task("pods", task):
                        if pod["status"]["phase"] == "Running":
                            _tell_to_end(release, name_of(pod))
            return not left

        eventually(are_complete, within=240, every=1, what="the end of all tasks")


def _tell_to_end(release: Release, pod: str) -> None:
    try:
        release.kube.execute(release.namespace, pod, "touch", "/tmp/go")
    except AssertionError:
        return  # it has ended, or not begun


@pytest.mark.parametrize("layout", ["jobs", "pod"])
def test_tasks_wait_in_queues_of_the_cluster(tesk: Release, layout: str) -> None:
    tasks = Submitter(tesk, layout)
    running = [tasks.submit(), tasks.submit()]
    for task in running:
        tesk.wait_for(task, "RUNNING", within=180, every=0.3)

    waiting, unwanted = tasks.submit(), tasks.submit()
    tesk.wait_for_reason(waiting, WAITING)
    tesk.wait_for_reason(unwanted, WAITING)
    assert tesk.live(waiting)["reason_code"] == "CLUSTER_QUOTA_FULL"
    assert tesk.state(waiting) == "INITIALIZING"

    tesk.cancel(unwanted)
    tesk.wait_for(unwanted, "CANCELED", within=30, every=0.3)
    tesk.wait_until_clean(unwanted)

    (job,) = tesk.of_task("jobs", waiting)
    tesk.kill("taskmaster")
    owner = tasks.submit(queue="b")
    tesk.wait_for(owner, "RUNNING", within=180, every=0.3)
    tesk.wait_for_reason(waiting, WAITING)
    (same,) = tesk.of_task("jobs", waiting)
    assert same["metadata"]["uid"] == job["metadata"]["uid"]

    tasks.finish(owner, waiting, *running)

    told = [json.dumps(tesk.get(task)["logs"]) for task in running]
    preempted = [text for text in told if "took its room back" in text]
    assert len(preempted) == 1, told
    for task in (owner, waiting, *running):
        last = tesk.get(task)["logs"][-1]["logs"][-1]
        assert last["stdout"] == "done\n"
    tesk.wait_until_clean()
    wait_until_none(lambda: workloads(tesk.namespace), within=60)
