"""helm test, upgrade, scaling and uninstall, with tasks in every phase."""

from collections.abc import Iterator

import pytest

from cluster.gated_storage import GatedStorage
from cluster.held_task import PHASES, HeldTask
from cluster.release import Release, installed
from cluster.session import Session
from cluster.values import merged
from programs.waiting import eventually
from scenarios.scenario import shell

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def disposable(session: Session) -> Iterator[Release]:
    """A release that is changed and taken away."""
    values = merged(
        session.values(),
        {
            "quota": {"perTask": {"ramGb": 900}},
            "taskmaster": {"layoutsAllowed": ["jobs", "pod"]},
        },
    )
    with installed(session.kube, f"{session.name}-disposable", values) as release:
        release.connect()
        yield release


def test_helm_test_runs_a_real_task_in_each_layout(disposable: Release) -> None:
    assert "Succeeded" in disposable.test()

    disposable.wait_until_clean()
    query = {"view": "FULL", "name_prefix": "helm test"}
    found = disposable.client.get("/tasks", params=query).json()["tasks"]
    ended = {each["logs"][0]["metadata"]["layout"]: each["state"] for each in found}
    assert ended == {"jobs": "COMPLETE", "pod, together": "COMPLETE"}


def test_a_change_of_the_quota_reaches_the_running_scheduler(
    disposable: Release,
) -> None:
    before = [pod["metadata"]["uid"] for pod in disposable.component("scheduler")]
    large = {"executors": [shell("true")], "resources": {"ram_gb": 1000}}
    refused = disposable.client.post("/tasks", json=large)
    assert refused.status_code == 400
    assert "ram_gb" in refused.text

    disposable.upgrade({"quota": {"perTask": {"ramGb": 2000}}})

    # A kubelet looks at ConfigMaps once a minute, or so.
    accepted = eventually(
        lambda: disposable.client.post("/tasks", json=large).json().get("id"),
        within=180,
        every=2,
        what="a task that the new quota lets in",
    )
    after = [pod["metadata"]["uid"] for pod in disposable.component("scheduler")]
    assert after == before
    disposable.cancel(accepted)


def test_upgrade_and_scaling_with_running_tasks_lose_nothing(
    disposable: Release, gated_storage: GatedStorage
) -> None:
    tasks = {
        phase: HeldTask(disposable, gated_storage, f"upgrade-{phase}", hold=[phase])
        for phase in PHASES
    }
    for phase, task in tasks.items():
        task.reach(phase)
    before = {
        pod["metadata"]["uid"]
        for component in ("api", "scheduler")
        for pod in disposable.component(component)
    }

    disposable.upgrade({"log": {"level": "debug"}, "api": {"replicas": 3}})
    for phase, task in tasks.items():
        task.resume(phase)

    for task in tasks.values():
        task.check_completed()
        assert len(task.executor_starts()) == 1
    eventually(
        lambda: len(disposable.component("api")) == 3,
        within=60,
        every=0.5,
        what="3 apis",
    )
    after = {
        pod["metadata"]["uid"]
        for component in ("api", "scheduler")
        for pod in disposable.component(component)
    }
    assert not before & after
    assert disposable.run({"executors": [shell("true")]})["state"] == "COMPLETE"


def test_uninstall_with_running_tasks_leaves_nothing(
    disposable: Release, gated_storage: GatedStorage
) -> None:
    for phase in PHASES:
        HeldTask(disposable, gated_storage, f"uninstall-{phase}", hold=[phase]).reach(
            phase
        )
    disposable.create(
        {"executors": [shell("true")], "resources": {"zones": ["nowhere"]}}
    )
    disposable.create({"executors": [shell("true")], "resources": {"cpu_cores": 600}})

    disposable.uninstall()

    disposable.wait_until_empty()
