"""A scheduler and its pods, when either or the API server between them fails."""

from pathlib import Path

import pytest

from fakes.scheduler_launcher import FakeLauncher
from programs.waiting import eventually
from schedulers.stepped import SteppedSchedulers
from taskmasters.launchers import PodLaunchers
from tesk_kubernetes.api import PODS
from tesk_scheduler.adapters.kubernetes.pod_launcher import PodLauncher
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.usecases.leader_loop import LeaderLoop


class Killed(BaseException):
    """The process is no more."""


class DyingLauncher(FakeLauncher):
    """Lets the scheduler be killed at a launch, before or after the pod is made."""

    def __init__(self, pods: PodLauncher, *, after: bool) -> None:
        super().__init__()
        self._pods = pods
        self._after = after

    def launch(self, taskmaster_id: str) -> None:
        if self._after:
            self._pods.launch(taskmaster_id)
        raise Killed


@pytest.fixture
def cluster(tmp_path: Path) -> PodLaunchers:
    """Return a cluster."""
    return PodLaunchers(folder=tmp_path)


@pytest.fixture
def stepped(store: SqlTaskStore, cluster: PodLaunchers) -> SteppedSchedulers:
    """Prepare; nothing runs by itself."""
    return SteppedSchedulers(store=store, launcher=FakeLauncher(), clock=cluster.clock)


def leader_of_a_busy_taskmaster(
    stepped: SteppedSchedulers, cluster: PodLaunchers, pods: PodLauncher
) -> LeaderLoop:
    """Return a leader whose taskmaster tm-1 has called and has the task t-1."""
    leader = stepped.scheduler(pods)
    stepped.add("t-1")
    leader.reconcile()
    cluster.cluster.start(cluster.pod("tm-1"))
    stepped.call("tm-1")
    return leader


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_scheduler_killed_at_a_launch_leaves_one_pod_for_the_task(
    stepped: SteppedSchedulers, cluster: PodLaunchers, *, after: bool
) -> None:
    stepped.add("t-1")
    with cluster.synced() as pods, pytest.raises(Killed):
        stepped.scheduler(DyingLauncher(pods, after=after)).reconcile()

    with cluster.synced() as pods:
        successor = stepped.scheduler(pods)
        for _ in range(3):
            successor.reconcile()

    assert names(cluster) == ["tesk-tm-1"]
    assert stepped.record().taskmaster == "tm-1"
    assert stepped.record().reason.text == ""


def test_a_minute_without_the_api_server_loses_nothing(
    stepped: SteppedSchedulers, cluster: PodLaunchers
) -> None:
    with cluster.synced() as pods:
        leader = leader_of_a_busy_taskmaster(stepped, cluster, pods)

        cluster.api.down()
        stepped.add("t-2")
        for _ in range(12):
            stepped.call("tm-1", "t-1")
            leader.reconcile()
            stepped.wait(5)
        during, waiting = stepped.record(), stepped.record("t-2")
        cluster.api.up()
        for _ in range(8):
            stepped.call("tm-1", "t-1")
            leader.reconcile()
            stepped.wait(5)

        assert during.taskmaster == stepped.record().taskmaster == "tm-1"
        assert waiting.reason.text == (
            "no taskmaster can be started: the API server does not answer"
        )
        assert stepped.record("t-2").taskmaster is not None
        assert stepped.record("t-2").reason.text == ""
        assert len(names(cluster)) == 2


def test_a_taskmaster_lost_during_an_outage_is_replaced_after_it(
    stepped: SteppedSchedulers, cluster: PodLaunchers
) -> None:
    with cluster.synced() as pods:
        leader = leader_of_a_busy_taskmaster(stepped, cluster, pods)

        cluster.api.down()
        for _ in range(12):
            leader.reconcile()
            stepped.wait(5)
        during = stepped.record()
        cluster.api.up()
        for _ in range(3):
            leader.reconcile()
            stepped.wait(5)

        assert during.taskmaster == "tm-1"
        assert "cannot be ended yet" in during.reason.text
        assert stepped.record().attempt == 1
        assert stepped.record().reason.text == ""
        assert (
            names(cluster) == [f"tesk-{stepped.record().taskmaster}"] != ["tesk-tm-1"]
        )


def test_a_pod_deleted_by_hand_is_replaced_when_it_is_gone(
    stepped: SteppedSchedulers, cluster: PodLaunchers
) -> None:
    with cluster.synced() as pods:
        leader = leader_of_a_busy_taskmaster(stepped, cluster, pods)

        cluster.cluster.finish(cluster.pod("tm-1"), 143)
        eventually(lambda: set(pods.ended()) == {"tm-1"})
        leader.reconcile()

        assert stepped.record().taskmaster == "tm-2"
        assert stepped.record().attempt == 1
        assert names(cluster) == ["tesk-tm-2"]


def test_a_taskmaster_that_was_told_to_exit_is_removed(
    stepped: SteppedSchedulers, cluster: PodLaunchers
) -> None:
    with cluster.synced() as pods:
        leader = stepped.scheduler(pods)
        stepped.add("t-1")
        leader.reconcile()
        stepped.store.write(lambda tx: tx.remove_taskmaster("tm-1", only_idle=False))
        cluster.cluster.finish(cluster.pod("tm-1"), 0)
        eventually(lambda: set(pods.ended()) == {"tm-1"})

        leader.reconcile()

        assert "tesk-tm-1" not in names(cluster)


def test_the_message_of_a_pod_that_does_not_start_is_the_reason(
    stepped: SteppedSchedulers, cluster: PodLaunchers
) -> None:
    with cluster.synced() as pods:
        leader = stepped.scheduler(pods)
        stepped.add("t-1")
        leader.reconcile()
        message = "0/3 nodes are available: 3 Insufficient memory."
        cluster.cluster.unschedulable(cluster.pod("tm-1"), message=message)
        eventually(lambda: pods.status_message("tm-1") == message)

        leader.reconcile()

        assert stepped.record().reason.text == f"waiting for a taskmaster: {message}"


def test_a_full_quota_is_the_reason_and_passes(
    stepped: SteppedSchedulers, cluster: PodLaunchers
) -> None:
    cluster.api.quotas[PODS, "tasks"] = 0
    with cluster.synced() as pods:
        leader = stepped.scheduler(pods)
        stepped.add("t-1")
        leader.reconcile()
        reason = stepped.record().reason.text
        cluster.api.quotas.clear()
        stepped.wait(2)
        leader.reconcile()

    assert reason.startswith("no taskmaster can be started: ")
    assert "exceeded quota" in reason
    assert stepped.record().reason.text == ""
    assert len(names(cluster)) == 1


def names(cluster: PodLaunchers) -> list[str]:
    """Return the names of all pods, in order."""
    return sorted(pod["metadata"]["name"] for pod in cluster.api.all(PODS))
