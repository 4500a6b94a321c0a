"""The runtime of a cluster when the cluster does not do what it should."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from builders import make_assigned_task, make_executor
from fakes.kubernetes_api import FakeKubernetesApi
from fakes.kubernetes_cluster import FakeCluster
from fakes.taskmaster_kubernetes_kit import (
    ClusterKit,
    Programs,
    make_report,
    make_settings,
)
from tesk_kubernetes.api import (
    JOBS,
    PODS,
    SECRETS,
    VOLUME_CLAIMS,
    ApiUnavailableError,
    JsonObject,
    QuotaExceededError,
    RefusedError,
)
from tesk_model.names import Attempt
from tesk_model.task import Input, TaskId
from tesk_taskmaster.adapters.kubernetes.executor_job import STDERR_MARK
from tesk_taskmaster.domain.planning import plan_task
from tesk_taskmaster.ports import StepFailedError, StepResult
from waiting import eventually

ATTEMPT = Attempt(TaskId("k1"), 1)
NAME = ATTEMPT.name
SOON = timedelta(seconds=30)
SECOND = timedelta(seconds=1)
NOTHING = timedelta(0)


class CanceledError(Exception):
    """What ``say`` raises when the user cancels."""


@dataclass(slots=True)
class Sayings:
    """Hears what is said; ``until`` ends the waiting at words."""

    heard: list[str] = field(default_factory=list)
    until: str = ""

    def __call__(self, reason: str) -> None:
        if reason:
            self.heard.append(reason)
        if self.until and self.until in reason:
            raise CanceledError


class Rig:
    """A cluster in memory with one attempt and its taskmaster."""

    def __init__(self, *, shares: bool = False, **settings: Any) -> None:
        self.api = FakeKubernetesApi()
        self.cluster = FakeCluster(self.api)
        self.kit = ClusterKit(
            api=self.api, namespaces=["tasks"], settings=make_settings(**settings)
        )
        self.plan = plan_task(
            make_assigned_task(
                executors=(make_executor(image="ubuntu:1", command=("true",)),) * 2,
                inputs=(Input(path="/w/a", url="s3://b/a"),) if shares else (),
            ),
            ATTEMPT,
        )
        self.say = Sayings()
        self.runtime = self.kit.open_runtime()

    def let_pods(self, happen: Callable[[JsonObject], object]) -> None:
        """Let this happen to every new pod."""

        def program(pod: JsonObject) -> None:
            happen(pod)

        self.cluster.program = program

    def prepare(self) -> None:
        self.runtime.prepare(self.plan, "token", self.say)

    def start(self, step: str = "x0") -> None:
        self.runtime.start(self.plan, step, self.say)

    @contextmanager
    def starting(self, step: str = "x0") -> Iterator[JsonObject]:
        """Start in the background; give the new pod, and see the start end."""
        thread = threading.Thread(target=self.start, args=(step,), daemon=True)
        thread.start()
        yield self.pod(step)
        thread.join(30)
        assert not thread.is_alive()

    def run(self, step: str = "x0") -> JsonObject:
        """Start, and let the container run."""
        with self.starting(step) as pod:
            return self.cluster.start(pod)

    def pod(self, step: str = "x0") -> JsonObject:
        def look() -> JsonObject | None:
            try:
                return self.cluster.pod_of(f"{NAME}-{step}")
            except LookupError:
                return None

        return eventually(look, what="the pod")

    def result(self, step: str = "x0") -> StepResult:
        found = self.runtime.wait(ATTEMPT, step, SOON)
        assert found is not None
        return found

    def left(self) -> list[str]:
        kinds = (SECRETS, VOLUME_CLAIMS, JOBS, PODS)
        return [body["kind"] for kind in kinds for body in self.api.all(kind)]


@pytest.fixture
def make_rig() -> Iterator[Callable[..., Rig]]:
    rigs: list[Rig] = []

    def make(**settings: Any) -> Rig:
        rigs.append(Rig(**settings))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.api.up()
        rig.kit.close()


@pytest.fixture
def rig(make_rig: Callable[..., Rig]) -> Rig:
    return make_rig()


def test_a_trivial_task_costs_four_calls(rig: Rig) -> None:
    rig.prepare()
    before = rig.api.faults.calls.copy()
    for step in ("x0", "x1"):
        rig.cluster.finish(rig.run(step), report=make_report(0))
        rig.result(step)
        rig.runtime.tails(ATTEMPT, step)
    rig.runtime.release(ATTEMPT)

    spent = rig.api.faults.calls - before
    assert spent == {
        ("create", "jobs"): 2,
        ("logs", "pods"): 2,
        ("delete", "secrets"): 1,
    }
    assert before["create", "secrets"] == 1
    assert before["create", "persistentvolumeclaims"] == 0


def test_a_start_returns_when_the_container_runs(rig: Rig) -> None:
    rig.prepare()
    with rig.starting() as pod:
        assert rig.runtime.attempts() == [ATTEMPT]
        rig.cluster.start(pod)

    assert rig.runtime.wait(ATTEMPT, "x0", NOTHING) is None


def test_where_a_step_ran_is_told(rig: Rig) -> None:
    rig.prepare()
    pod = rig.run()
    rig.cluster.finish(pod, 3, report=make_report(3))

    result = rig.result()
    assert result.exit_code == 3
    assert result.metadata == {"pod": pod["metadata"]["name"], "node": "node-1"}


def test_an_image_that_is_missing_fails_and_cannot_start_later(
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig(image_missing_timeout=NOTHING)
    rig.let_pods(rig.cluster.fail_pull)
    rig.prepare()

    with pytest.raises(StepFailedError, match=r"executors\[0\]: image ubuntu:1 cannot"):
        rig.start()
    assert rig.api.all(JOBS) == rig.api.all(PODS) == []


def test_a_pull_is_waited_for_in_words(rig: Rig) -> None:
    rig.let_pods(rig.cluster.fail_pull)
    rig.say.until = "image ubuntu:1 cannot be pulled (given up after 90 s)"
    rig.prepare()

    with pytest.raises(CanceledError):
        rig.start()


def test_a_node_that_is_waited_for_is_told_with_the_reason(rig: Rig) -> None:
    rig.let_pods(rig.cluster.unschedulable)
    rig.say.until = "executors[0]: no node can take it: 0/1 nodes are available"
    rig.prepare()

    with pytest.raises(CanceledError):
        rig.start()


def test_a_refusal_to_make_pods_is_found_in_the_events(
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig(refusal_timeout=NOTHING)
    rig.api.quotas[PODS, "tasks"] = 0  # told like any refusal of the Job controller
    rig.say.until = "a quota of the cluster has no room"
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
    assert rig.say.heard == [
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
    successor.prepare(rig.plan, "token", rig.say)
    successor.start(rig.plan, "in", rig.say)

    assert successor.wait(ATTEMPT, "in", SOON) is not None
    assert len(rig.api.all(PODS)) == 1


def test_what_the_cluster_refuses_fails_with_its_words(rig: Rig) -> None:
    rig.prepare()
    error = RefusedError('admission webhook "w" denied the request: no')
    rig.api.fail_next("create", JOBS, error)

    with pytest.raises(StepFailedError, match="refuses to make its Job: admission web"):
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
    assert "waiting for the Kubernetes API: cut" in rig.say.heard


def test_an_api_server_that_is_away_is_waited_for(rig: Rig) -> None:
    rig.api.down()
    rig.say.until = "waiting for the Kubernetes API"
    with pytest.raises(CanceledError):
        rig.prepare()

    rig.api.up()
    rig.say.until = ""
    rig.prepare()
    running = rig.run()
    rig.api.down()
    assert rig.runtime.wait(ATTEMPT, "x0", NOTHING) is None
    rig.cluster.finish(running, report=make_report(0))
    rig.api.up()

    assert rig.result().exit_code == 0


def test_nothing_is_given_up_while_the_api_server_is_away(
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


def test_what_is_left_is_told_when_the_api_server_is_back(rig: Rig) -> None:
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


def test_what_an_anchor_left_is_removed_without_it(rig: Rig) -> None:
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


def test_no_step_starts_on_a_volume_that_was_deleted(
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig(shares=True)
    rig.prepare()
    book = rig.runtime._book
    eventually(lambda: book.all(ATTEMPT, VOLUME_CLAIMS), what="the claim")
    rig.api.vanish(VOLUME_CLAIMS, "tasks", NAME)
    eventually(lambda: book.all(ATTEMPT, VOLUME_CLAIMS)[0].is_gone, what="its end")

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
        rig.kit.open_runtime().prepare(rig.plan, "token", rig.say)
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
        "executors[0]: its pod is to end and its node does not answer" in result.error
    )
    rig.runtime.release(ATTEMPT)
    assert rig.left() == []


def test_a_name_that_is_not_ours_is_not_touched(rig: Rig) -> None:
    rig.cluster.makes_pods = False
    foreign = {"metadata": {"name": f"{NAME}-x0", "labels": {}}, "spec": {}}
    rig.api.plant(JOBS, "tasks", foreign)
    rig.prepare()

    with pytest.raises(StepFailedError, match="taken by a Job that is not ours"):
        rig.start()
    assert len(rig.api.all(JOBS)) == 1


def test_what_a_stopped_executor_printed_is_kept(rig: Rig) -> None:
    rig.prepare()
    pod = rig.run()
    text = f"out\n{STDERR_MARK}err\n".encode()
    rig.api.say("tasks", pod["metadata"]["name"], text)
    rig.runtime.stop(ATTEMPT, "x0", SECOND)

    assert rig.result().error == ""
    tails = rig.runtime.tails(ATTEMPT, "x0")
    assert (tails.stdout, tails.stderr) == (b"out\n", b"err\n")


def test_a_step_that_waits_for_a_node_can_be_stopped(rig: Rig) -> None:
    rig.let_pods(rig.cluster.unschedulable)
    rig.prepare()
    with rig.starting():
        rig.runtime.stop(ATTEMPT, "x0", SECOND)

    assert rig.result().error == ""
    assert rig.api.all(PODS) == []


def test_what_runs_is_shown(rig: Rig) -> None:
    rig.prepare()
    pod = rig.run()
    rig.runtime.tails(ATTEMPT, "x0")
    rig.api.say("tasks", pod["metadata"]["name"], b"so far\n")

    eventually(
        lambda: rig.runtime.tails(ATTEMPT, "x0").stdout == b"so far\n",
        what="the live output",
    )


def test_who_lets_go_touches_nothing(rig: Rig) -> None:
    rig.prepare()
    rig.run()
    rig.runtime.let_go(ATTEMPT)

    assert sorted(rig.left()) == ["Job", "Pod", "Secret"]
    rig.runtime.stop(ATTEMPT, "x0", SECOND)  # too late: it is another's
    assert sorted(rig.left()) == ["Job", "Pod", "Secret"]


def test_a_predecessor_is_watched_for_as_long_as_needed(rig: Rig) -> None:
    rig.prepare()
    pod = rig.run()
    rig.runtime.close()
    successor = rig.kit.open_runtime()
    successor.prepare(rig.plan, "token", rig.say)
    successor.start(rig.plan, "x0", rig.say)
    rig.cluster.finish(pod, report=make_report(5))
    result = successor.wait(ATTEMPT, "x0", SOON)

    assert result is not None
    assert result.exit_code == 5
    successor.release(ATTEMPT)
    assert rig.left() == []


def test_a_job_without_a_pod_is_looked_for(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(missing_timeout=NOTHING)
    rig.cluster.makes_pods = False
    rig.prepare()
    with pytest.raises(StepFailedError, match="lost: its Job was deleted"):  # noqa: PT012 - on the way
        threading.Timer(0.5, rig.api.vanish, (JOBS, "tasks", f"{NAME}-x0")).start()
        rig.start()


def test_events_are_not_asked_for_while_all_goes_well(rig: Rig) -> None:
    Programs(rig.api, rig.cluster)
    rig.prepare()
    rig.start()
    rig.result()

    assert rig.api.faults.calls["list", "events"] == 0
