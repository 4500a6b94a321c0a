"""helm test, upgrade, scaling and uninstall, with tasks in every phase."""

from collections.abc import Iterator

import pytest

from cluster.gates import Gates
from cluster.held import PHASES, HeldTask
from cluster.release import Release, installed
from cluster.site import Site
from programs.waiting import eventually
from scenarios.scenario import shell

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def doomed(site: Site) -> Iterator[Release]:
    """A release that is changed and taken away."""
    values = site.values()
    with installed(site.kube, f"{site.name}-doomed", values) as release:
        release.connect()
        yield release


def test_helm_test_runs_a_real_task(doomed: Release) -> None:
    assert "Succeeded" in doomed.test()
    doomed.wait_until_clean()


def test_upgrade_and_scaling_with_running_tasks_lose_nothing(
    doomed: Release, gates: Gates
) -> None:
    tasks = {
        phase: HeldTask(doomed, gates, f"upgrade-{phase}", hold=[phase])
        for phase in PHASES
    }
    for phase, task in tasks.items():
        task.reach(phase)
    before = {
        pod["metadata"]["uid"]
        for component in ("api", "scheduler")
        for pod in doomed.component(component)
    }

    doomed.upgrade({"log": {"level": "debug"}, "api": {"replicas": 3}})
    for phase, task in tasks.items():
        task.let_go(phase)

    for task in tasks.values():
        task.check_completed()
        assert len(task.executor_starts()) == 1
    eventually(
        lambda: len(doomed.component("api")) == 3, within=60, every=0.5, what="3 apis"
    )
    after = {
        pod["metadata"]["uid"]
        for component in ("api", "scheduler")
        for pod in doomed.component(component)
    }
    assert not before & after
    assert doomed.run({"executors": [shell("true")]})["state"] == "COMPLETE"


def test_uninstall_with_running_tasks_leaves_nothing(
    doomed: Release, gates: Gates
) -> None:
    for phase in PHASES:
        HeldTask(doomed, gates, f"uninstall-{phase}", hold=[phase]).reach(phase)
    doomed.create({"executors": [shell("true")], "resources": {"zones": ["nowhere"]}})
    doomed.create({"executors": [shell("true")], "resources": {"cpu_cores": 600}})

    doomed.uninstall()

    doomed.wait_until_empty()
