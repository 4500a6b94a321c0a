"""Attempts that wait in queues of Kueue, on a real cluster, in both layouts."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import timedelta
from typing import Any

import pytest
from msgspec import structs

from builders.tasks import make_assigned_task, make_executor
from cluster.kube import Kube, Object, wait_until_none
from cluster.kueue import kueue, missing, queues, workloads
from cluster.taskmasters import real_cluster
from fakes.taskmaster_cluster_runtimes import (
    IMAGE,
    ClusterRuntimes,
    make_settings,
    one_pod,
)
from programs.waiting import eventually
from tesk_model.names import Attempt
from tesk_model.reasons import Reason, ReasonCode
from tesk_model.task import Resources, TaskId
from tesk_taskmaster.adapters.kubernetes.runtime import KubernetesRuntime
from tesk_taskmaster.domain.layouts import Layout, Order
from tesk_taskmaster.domain.planning import plan_task
from tesk_taskmaster.domain.termination import StepResult
from tesk_taskmaster.ports import StepFailedError

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(bool(missing()), reason=missing()),
]

GENEROUS = timedelta(seconds=120)
STEP = "x0"
LAYOUTS: dict[str, dict[str, Any]] = {
    "jobs": {"settings": make_settings()},
    "pod, together": one_pod("together"),
    "pod, sequence": one_pod("sequence"),
}
# Room for one in each queue, and for one more as long as the other has none.
CPU, SHARE = 0.1, "100m"
HELD = "until [ -e /tmp/go ]; do sleep 0.2; done; echo done"


class _KilledError(Exception):
    """Stands for a taskmaster that does nothing more."""


class Run:
    """One attempt, whose executor goes on until it is told to end."""

    def __init__(self, place: "Place", task_id: str, queue: str, number: int) -> None:
        self.attempt = Attempt(TaskId(task_id), number)
        self.reasons: list[Reason] = []
        self.has_run = threading.Event()
        self._place = place
        self._killed = threading.Event()
        held = make_executor(image=IMAGE, command=("sh", "-c", HELD))
        last = make_executor(image=IMAGE, command=("true",))
        resources = Resources(
            cpu_cores=CPU,
            ram_gb=0.0625,
            disk_gb=0.02,
            backend_parameters={"queue": queue},
        )
        executors = (held, last) if place.is_sequence else (held,)
        task = make_assigned_task(executors=executors, resources=resources)
        self.plan = plan_task(task, self.attempt)
        self.runtime: KubernetesRuntime
        self.end: Future[StepResult]

    def begin(self, *, has_started: bool = False) -> None:
        """Let a new taskmaster run it."""
        self._killed.clear()
        self.runtime = self._place.runtimes.open_runtime()
        self.runtime.prepare(self.plan, "token", self._report)
        self.end = self._place.threads.submit(self._run, has_started)

    def _run(self, has_started: bool) -> StepResult:
        self.runtime.start(self.plan, STEP, self._report, has_started=has_started)
        self.has_run.set()
        result = self.runtime.wait(self.attempt, STEP, GENEROUS)
        assert result is not None
        return result

    def _report(self, reason: Reason) -> None:
        if self._killed.is_set():
            raise _KilledError
        self.reasons.append(reason)

    def kill_taskmaster(self) -> None:
        """Let its taskmaster do nothing more."""
        self._killed.set()
        self.runtime.close()
        if not self.has_run.is_set():
            with pytest.raises(_KilledError):
                self.end.result(30)

    def wait_until_running(self) -> Object:
        assert self.has_run.wait(90), self.reasons[-1:]
        (pod,) = self.pods()
        return pod

    def wait_until_queued(self, queue: str) -> None:
        """Wait until it says that it waits, and in words of Kueue why."""
        begin = f"executors[0]: waiting in the queue {queue} of the cluster: couldn't"
        eventually(
            lambda: self.reasons and self.reasons[-1].text.startswith(begin),
            what=f"a wait in the queue, not {self.reasons[-1:]}",
        )
        assert self.reasons[-1].code == ReasonCode.CLUSTER_QUOTA_FULL
        assert not self.pods()

    def pods(self) -> list[Object]:
        return self._of_attempt("pods")

    def jobs(self) -> list[Object]:
        return self._of_attempt("jobs")

    def _of_attempt(self, kind: str) -> list[Object]:
        labels = f"tesk/task={self.attempt.task_id},tesk/attempt={self.attempt.number}"
        return self._place.kube.list(kind, self._place.namespace, labels)

    def finish(self) -> None:
        """Let its executor end, and remove the attempt."""
        pod = self.wait_until_running()["metadata"]["name"]
        self._place.kube.execute(
            *(self._place.namespace, pod, "touch", "/tmp/go"),
            container=self._place.container,
        )
        assert self.end.result(60).exit_code == 0
        assert self.runtime.tails(self.attempt, STEP).stdout == b"done\n"
        self.release()

    def release(self) -> None:
        self.runtime.release(self.attempt)
        assert not self.pods()
        assert not self.jobs()


class Place:
    """A namespace with the queues ``a`` and ``b``, which lend each other."""

    def __init__(self, runtimes: ClusterRuntimes, kube: Kube) -> None:
        self.runtimes = runtimes
        self.kube = kube
        self.threads = ThreadPoolExecutor(8)

    @property
    def namespace(self) -> str:
        return self.runtimes.namespaces[0]

    @property
    def is_sequence(self) -> bool:
        """Whether the executor is an init container, before another."""
        return self.runtimes.offer.order == Order.SEQUENCE

    @property
    def container(self) -> str:
        """The container of the executor."""
        return "main" if self.runtimes.offer.layout == Layout.JOBS else STEP

    def run(self, task_id: str, *, queue: str, number: int = 1) -> Run:
        run = Run(self, task_id, queue, number)
        run.begin()
        return run

    def check_nothing_is_left(self) -> None:
        wait_until_none(lambda: workloads(self.namespace), within=60)


@pytest.fixture(scope="module", autouse=True)
def running_kueue() -> Iterator[None]:
    with kueue():
        yield


@pytest.fixture(params=LAYOUTS)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    fields = dict(LAYOUTS[request.param])
    fields["settings"] = structs.replace(fields["settings"], queues=("a", "b"))
    with ExitStack() as stack:
        runtimes = stack.enter_context(real_cluster(**fields))
        kube = stack.enter_context(closing(Kube()))
        place = Place(runtimes, kube)
        stack.enter_context(queues(kube, place.namespace, {"a": SHARE, "b": SHARE}))
        yield place
        place.check_nothing_is_left()


def test_attempts_borrow_then_wait_in_their_queue_and_are_admitted_in_turn(
    place: Place,
) -> None:
    first = place.run("q1", queue="a")
    first.wait_until_running()
    borrowing = place.run("q2", queue="a")
    borrowing.wait_until_running()
    third = place.run("q3", queue="a")
    third.wait_until_queued("a")

    first.finish()

    third.wait_until_running()
    for run in (borrowing, third):
        run.finish()


def test_a_queue_takes_back_what_it_lent_and_the_next_attempt_waits(
    place: Place,
) -> None:
    first = place.run("q1", queue="a")
    first.wait_until_running()
    borrowing = place.run("q2", queue="a")
    borrowing.wait_until_running()

    owner = place.run("q3", queue="b")

    lost = borrowing.end.result(60)
    assert (lost.lost, lost.code, lost.error) == (
        True,
        ReasonCode.PREEMPTED,
        "executors[0] lost: the queue a of the cluster took its room back",
    )
    owner.wait_until_running()
    borrowing.release()
    again = place.run("q2", queue="a", number=2)
    again.wait_until_queued("a")
    owner.finish()
    again.finish()
    first.finish()


def test_an_attempt_that_is_canceled_while_it_waits_leaves_its_queue(
    place: Place,
) -> None:
    runs = [place.run(name, queue="a") for name in ("q1", "q2")]
    for run in runs:
        run.wait_until_running()
    waiting = place.run("q3", queue="a")
    waiting.wait_until_queued("a")

    waiting.runtime.stop(waiting.attempt, STEP, timedelta(seconds=1))
    assert waiting.end.result(30).exit_code == 143
    waiting.release()

    wait_until_none(
        lambda: [name for name in workloads(place.namespace) if "q3" in name],
        within=30,
    )
    for run in runs:
        run.finish()


def test_a_successor_waits_on_in_the_place_of_its_predecessor(place: Place) -> None:
    runs = [place.run(name, queue="a") for name in ("q1", "q2")]
    for run in runs:
        run.wait_until_running()
    waiting = place.run("q3", queue="a")
    waiting.wait_until_queued("a")
    (job,) = waiting.jobs()
    waiting.kill_taskmaster()

    waiting.begin()

    waiting.wait_until_queued("a")
    runs[0].finish()
    waiting.wait_until_running()
    assert [each["metadata"]["uid"] for each in waiting.jobs()] == [
        job["metadata"]["uid"]
    ]
    waiting.finish()
    runs[1].finish()


def test_what_was_taken_back_while_no_taskmaster_watched_does_not_run_again(
    place: Place,
) -> None:
    first = place.run("q1", queue="a")
    first.wait_until_running()
    borrowing = place.run("q2", queue="a")
    borrowing.wait_until_running()
    borrowing.kill_taskmaster()
    owner = place.run("q3", queue="b")
    owner.wait_until_running()

    borrowing.begin(has_started=True)

    with pytest.raises(StepFailedError, match="took its room back") as failure:
        borrowing.end.result(30)
    assert (failure.value.lost, failure.value.code) == (True, ReasonCode.PREEMPTED)
    assert not borrowing.jobs()
    borrowing.release()
    for run in (owner, first):
        run.finish()
