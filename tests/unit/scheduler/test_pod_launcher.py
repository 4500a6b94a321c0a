"""Taskmasters as pods, on a cluster that fails in every way it can."""

import base64
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from programs.waiting import eventually
from taskmasters.launchers import LAUNCHER, OWNER, PodLaunchers, make_template
from tesk_kubernetes.api import (
    CONFIG_MAPS,
    EVENTS,
    PODS,
    ApiUnavailableError,
    RefusedError,
)
from tesk_scheduler.adapters.kubernetes.manifests import Owner, launcher_name
from tesk_scheduler.adapters.kubernetes.pod_launcher import PodLauncher
from tesk_scheduler.ports.launcher import LaunchError


@pytest.fixture
def running(tmp_path: Path) -> PodLaunchers:
    """Return a cluster."""
    return PodLaunchers(folder=tmp_path)


@pytest.fixture
def launcher(running: PodLaunchers) -> Iterator[PodLauncher]:
    """Return a launcher that has listed pods: none."""
    with running.synced() as launcher:
        yield launcher


def test_a_pod_is_created_with_its_parts(
    running: PodLaunchers, launcher: PodLauncher
) -> None:
    launcher.launch("tm-1")

    owner = running.api.peek(CONFIG_MAPS, "tasks", OWNER)
    assert owner is not None
    owners = {"tasks": Owner(name=OWNER, uid=owner["metadata"]["uid"])}
    binary = running.api.peek(CONFIG_MAPS, "tasks", launcher_name(LAUNCHER, owners))
    assert binary is not None
    assert base64.b64decode(binary["binaryData"]["launcher"]) == LAUNCHER
    uids = {
        made["metadata"]["ownerReferences"][0]["uid"]
        for made in (binary, running.pod("tm-1"))
    }
    assert uids == {owner["metadata"]["uid"]}


def test_uninstalling_leaves_nothing(
    running: PodLaunchers, launcher: PodLauncher
) -> None:
    launcher.launch("tm-1")

    running.api.vanish(CONFIG_MAPS, "tasks", OWNER)
    running.clock.advance(timedelta(seconds=10))

    assert running.api.all(PODS) == []
    assert running.api.all(CONFIG_MAPS) == []
    with pytest.raises(LaunchError, match="tesk-tasks is not in namespace tasks"):
        launcher.launch("tm-2")


def test_an_owner_that_was_made_again_owns_what_is_made_then(
    running: PodLaunchers, launcher: PodLauncher
) -> None:
    launcher.launch("tm-1")
    running.api.vanish(CONFIG_MAPS, "tasks", OWNER)
    uid = running.install_owner("tasks")
    running.clock.advance(timedelta(seconds=10))

    launcher.launch("tm-2")

    assert running.pod("tm-2")["metadata"]["ownerReferences"][0]["uid"] == uid


def test_every_task_namespace_is_made_ready(tmp_path: Path) -> None:
    running = PodLaunchers(folder=tmp_path, namespaces=("a", "b", "c"))

    with running.synced() as launcher:
        for number in range(12):
            launcher.launch(f"tm-{number}")
        living = set(launcher.alive())

    supplied = {
        each["metadata"]["namespace"]
        for each in running.api.all(CONFIG_MAPS)
        if each["metadata"]["name"].startswith("tesk-launcher-")
    }
    assert supplied == {"a", "b", "c"}
    assert {pod["metadata"]["namespace"] for pod in running.api.all(PODS)} == supplied
    assert living == {f"tm-{number}" for number in range(12)}


def test_launches_at_once_cost_one_call_each(
    running: PodLaunchers, launcher: PodLauncher
) -> None:
    for number in range(10):
        launcher.launch(f"tm-{number}")

    calls = running.api.faults.calls
    assert calls["create", "pods"] == 10
    assert calls["get", "configmaps"] == calls["create", "configmaps"] == 1
    assert calls["get", "pods"] == 0


def test_a_changed_template_counts_at_once(
    running: PodLaunchers, launcher: PodLauncher
) -> None:
    running.write_template(make_template(priorityClassName="high"))

    launcher.launch("tm-1")

    assert running.pod("tm-1")["spec"]["priorityClassName"] == "high"


def test_a_template_that_cannot_be_used_is_the_reason(
    running: PodLaunchers, launcher: PodLauncher
) -> None:
    running.write_template({"spec": {"containers": []}})

    with pytest.raises(LaunchError, match=r"taskmaster-pod\.yaml: .*'main'"):
        launcher.launch("tm-1")


def test_a_full_quota_is_the_reason_until_there_is_room(
    running: PodLaunchers, launcher: PodLauncher
) -> None:
    running.api.quotas[PODS, "tasks"] = 0

    with pytest.raises(LaunchError, match="exceeded quota"):
        launcher.launch("tm-1")
    before = set(launcher.alive())
    running.api.quotas.clear()
    launcher.launch("tm-1")

    assert before == set()
    assert set(launcher.alive()) == {"tm-1"}


def test_a_refusal_is_the_reason(running: PodLaunchers, launcher: PodLauncher) -> None:
    refusal = RefusedError('violates PodSecurity "restricted:latest"')
    running.api.fail_next("create", PODS, refusal)

    with pytest.raises(LaunchError, match="violates PodSecurity"):
        launcher.launch("tm-1")


def test_an_answer_that_got_lost_is_no_second_pod(
    running: PodLaunchers, launcher: PodLauncher
) -> None:
    lost = ApiUnavailableError("connection reset")
    running.api.fail_next("create", PODS, lost, after=True)

    with pytest.raises(LaunchError, match="connection reset"):
        launcher.launch("tm-1")
    launcher.launch("tm-1")

    eventually(lambda: set(launcher.alive()) == {"tm-1"})
    assert len(running.api.all(PODS)) == 1


def test_a_pod_of_another_program_is_left_alone(
    running: PodLaunchers, launcher: PodLauncher
) -> None:
    running.api.plant(PODS, "tasks", {"metadata": {"name": "tesk-tm-1"}, "spec": {}})

    with pytest.raises(LaunchError, match="is not TESK's"):
        launcher.launch("tm-1")
    launcher.kill("tm-1")

    assert set(launcher.alive()) == set()
    assert len(running.api.all(PODS)) == 1


def test_a_successor_adopts_what_lives(
    running: PodLaunchers, launcher: PodLauncher
) -> None:
    launcher.launch("tm-1")
    launcher.close()

    with running.synced() as successor:
        living = set(successor.alive())
        successor.launch("tm-1")

    assert living == {"tm-1"}
    assert running.api.faults.calls["create", "pods"] == 1


def test_another_scheduler_sees_what_the_leader_does(
    running: PodLaunchers, launcher: PodLauncher
) -> None:
    with running.synced() as follower:
        launcher.launch("tm-1")
        eventually(lambda: set(follower.alive()) == {"tm-1"})
        launcher.kill("tm-1")
        eventually(lambda: set(follower.alive()) == set())

    assert running.api.faults.calls["delete", "pods"] == 1


def test_no_taskmaster_is_dead_before_the_pods_are_listed(
    running: PodLaunchers,
) -> None:
    running.api.down()

    with (
        running.launcher() as launcher,
        pytest.raises(LaunchError, match="not listed yet"),
    ):
        launcher.alive()


def test_an_outage_kills_no_taskmaster(
    running: PodLaunchers, launcher: PodLauncher
) -> None:
    launcher.launch("tm-1")

    running.api.down()

    assert set(launcher.alive()) == {"tm-1"}
    with pytest.raises(LaunchError, match="does not answer"):
        launcher.kill("tm-1")
    with pytest.raises(LaunchError, match="does not answer"):
        launcher.kill("tm-unknown")
    with pytest.raises(LaunchError, match="does not answer"):
        launcher.launch("tm-2")
    assert set(launcher.alive()) == {"tm-1"}
    running.api.up()
    launcher.kill("tm-1")
    assert set(launcher.alive()) == set()


def test_an_ended_taskmaster_is_listed_until_it_is_removed(
    running: PodLaunchers, launcher: PodLauncher
) -> None:
    launcher.launch("tm-1")
    running.cluster.start(running.pod("tm-1"))
    notifications = len(running.notifications)

    running.cluster.finish(running.pod("tm-1"), 137, reason="OOMKilled")
    eventually(lambda: set(launcher.ended()) == {"tm-1"})
    living, may_act = set(launcher.alive()), launcher.may_act("tm-1")
    launcher.kill("tm-1")

    assert (living, may_act) == (set(), False)
    assert len(running.notifications) > notifications
    assert running.api.all(PODS) == []
    assert set(launcher.ended()) == set()
    assert launcher.status_message("tm-1") == "it ended with exit code 137 (OOMKilled)"
    assert not launcher.may_act("tm-1")


def test_an_ended_taskmaster_is_not_started_again_under_its_name(
    running: PodLaunchers, launcher: PodLauncher
) -> None:
    launcher.launch("tm-1")
    running.cluster.finish(running.pod("tm-1"), 1)

    eventually(lambda: set(launcher.ended()) == {"tm-1"})
    with pytest.raises(LaunchError, match="has ended"):
        launcher.launch("tm-1")


def test_a_taskmaster_on_a_lost_node_may_act_and_can_be_given_up(
    running: PodLaunchers, launcher: PodLauncher
) -> None:
    launcher.launch("tm-1")
    running.cluster.start(running.pod("tm-1"))

    running.cluster.lose_node()
    eventually(lambda: set(launcher.alive()) == set())
    may_act = launcher.may_act("tm-1")
    launcher.kill("tm-1")

    assert may_act
    assert launcher.status_message("tm-1") == "NodeLost"
    assert running.api.all(PODS) == []


def test_whether_the_cluster_took_a_taskmaster_away_is_known_when_it_is_gone(
    running: PodLaunchers, launcher: PodLauncher
) -> None:
    for name in ("tm-1", "tm-2"):
        launcher.launch(name)
        running.cluster.start(running.pod(name))

    running.cluster.disrupt(running.pod("tm-1"))
    running.cluster.finish(running.pod("tm-2"), 137, reason="OOMKilled")
    eventually(lambda: set(launcher.ended()) == {"tm-1", "tm-2"})
    for name in ("tm-1", "tm-2"):
        launcher.kill(name)

    assert launcher.was_disrupted("tm-1")
    assert not launcher.was_disrupted("tm-2")
    assert not launcher.was_disrupted("tm-unknown")


def test_a_gone_taskmaster_may_act_unless_its_node_reported_its_end(
    running: PodLaunchers, launcher: PodLauncher
) -> None:
    for name in ("tm-1", "tm-2"):
        launcher.launch(name)
        running.cluster.start(running.pod(name))
    running.cluster.finish(running.pod("tm-2"), 1)

    for name in ("tm-1", "tm-2"):
        running.cluster.remove(running.pod(name))
    eventually(lambda: not launcher.ended() and not launcher.alive())

    assert launcher.may_act("tm-1")
    assert not launcher.may_act("tm-2")
    assert launcher.may_act("tm-unknown")
    assert launcher.status_message("tm-1") == "its pod was deleted"


def test_a_pod_that_the_watch_does_not_know_yet_is_removed(
    running: PodLaunchers, launcher: PodLauncher
) -> None:
    running.api.watches().cut()
    launcher.launch("tm-1")
    launcher.kill("tm-1")

    assert running.api.all(PODS) == []
    assert set(launcher.alive()) == set()


def test_a_pod_that_was_made_again_is_another(
    running: PodLaunchers, launcher: PodLauncher
) -> None:
    launcher.launch("tm-1")
    first = running.pod("tm-1")["metadata"]["uid"]
    launcher.kill("tm-1")
    launcher.launch("tm-1")

    eventually(lambda: set(launcher.alive()) == {"tm-1"})
    assert running.pod("tm-1")["metadata"]["uid"] != first


def test_the_status_message_follows_the_cluster(
    running: PodLaunchers, launcher: PodLauncher
) -> None:
    launcher.launch("tm-1")

    running.cluster.unschedulable(
        running.pod("tm-1"), message="0/3 nodes are available"
    )
    eventually(lambda: launcher.status_message("tm-1") == "0/3 nodes are available")
    running.cluster.hold(
        running.pod("tm-1"), reason="ErrImagePull", message="not found"
    )
    eventually(lambda: launcher.status_message("tm-1") == "ErrImagePull: not found")
    running.cluster.start(running.pod("tm-1"))
    eventually(lambda: launcher.status_message("tm-1") == "")

    assert set(launcher.alive()) == {"tm-1"}


def test_warning_events_are_listed_after_a_while(
    running: PodLaunchers, launcher: PodLauncher
) -> None:
    launcher.launch("tm-1")
    running.cluster.bind(running.pod("tm-1"))
    mount = 'MountVolume.SetUp failed: secret "tesk-internal" not found'
    running.cluster.add_event(
        running.pod("tm-1"), PODS, reason="FailedMount", message=mount
    )

    at_once = launcher.status_message("tm-1")
    eventually(lambda: words_later(running, launcher) == mount)
    questions = running.api.faults.calls["list", EVENTS.plural]
    again = launcher.status_message("tm-1")

    assert (at_once, again) == ("", mount)
    assert running.api.faults.calls["list", EVENTS.plural] == questions


def words_later(running: PodLaunchers, launcher: PodLauncher) -> str:
    """Return what is said of tm-1 after ten more seconds."""
    running.clock.advance(timedelta(seconds=10))
    return launcher.status_message("tm-1")
