"""Several schedulers on PostgreSQL: when one is killed, another takes over.

They send webhooks, and checks of tasks look at storages: what a larger site has, too.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from cluster.gated_storage import GatedStorage
from cluster.held_task import PHASES, HeldTask
from cluster.kube import name_of
from cluster.release import Release
from cluster.session import Session
from cluster.site import Site, admin, site_in
from cluster.webhook_receiver import Event
from programs.waiting import eventually
from scenarios.scenario import shell, system_logs

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

UNTOLD = ("refused", "unreachable")
# What receivers are told of a task that runs through.
STATES = ["QUEUED", "INITIALIZING", "RUNNING", "COMPLETE"]


@pytest.fixture(scope="module")
def site(session: Session) -> Iterator[Site]:
    """A release with two schedulers."""
    image = os.environ.get("TESK_E2E_POSTGRES_IMAGE", "postgres:15")
    with site_in(session, image) as site:
        yield site


@pytest.fixture(scope="module")
def tesk_with_two(site: Site) -> Release:
    """The release."""
    return site.release


def states(events: Sequence[Event], path: str) -> list[str]:
    return [each.data["data"]["state"] for each in events if each.path == path]


def test_receivers_are_told_of_a_task_in_order_and_signed(site: Site) -> None:
    task_id = site.release.create(
        {
            "executors": [shell("true")],
            "resources": {
                "backend_parameters": {"webhook": f"{site.receiver.url}/own/42"}
            },
        }
    )

    assert site.release.finish(task_id)["state"] == "COMPLETE"

    events = site.receiver.wait_for(task_id, "COMPLETE", "/all", "/own/42")
    for path in ("/all", "/own/42"):
        assert states(events, path) == STATES
        sequence = [each.data["sequence"] for each in events if each.path == path]
        assert sequence == sorted(sequence)
    assert {each.data["source"] for each in events} == {"https://tes.example.org"}


def test_a_receiver_that_nobody_lists_is_refused(
    site: Site, gated_storage: GatedStorage
) -> None:
    task = {
        "executors": [shell("true")],
        "resources": {"backend_parameters": {"webhook": f"{gated_storage.url}/own"}},
    }

    answer = site.release.client.post("/tasks", json=task)

    assert answer.status_code == 400
    assert "resources.backend_parameters.webhook" in answer.text


REFUSED = "its host is in a private network, which webhooks.private_networks refuses"


def test_no_event_leaves_the_networks_of_the_chart(
    site: Site, gated_storage: GatedStorage, tmp_path: Path
) -> None:
    task_id = site.release.create({"executors": [shell("sleep 600")]})
    site.release.cancel(task_id)

    def letters() -> dict[str, str] | None:
        listed = admin(site.release, tmp_path, "webhooks", "list").splitlines()
        found = {each.split()[1]: each for each in listed if task_id in each}
        return found if len(found) == len(UNTOLD) else None

    found = eventually(letters, within=60, every=1, what="dead letters")

    assert found.keys() == set(UNTOLD)
    assert REFUSED in found["refused"]
    assert "did not answer within 2 s" in found["unreachable"]
    assert gated_storage.arrived("") == 0


def test_a_check_looks_at_storages_through_the_pods_of_the_chart(
    site: Site, session: Session
) -> None:
    folder = session.storage.folder("checked")
    there = folder.put("in", b"12345")

    def looked() -> Any:
        answer = site.release.client.post(
            f"{site.release.url}/tesk/v1/tasks:check",
            json={
                "executors": [shell("true")],
                "inputs": [
                    {"path": "/in/a", "url": there},
                    {"path": "/in/b", "url": folder.url("missing")},
                    {"path": "/in/c", "url": "http://169.254.169.254/latest"},
                ],
                "outputs": [
                    {"path": "/out/a", "url": "file:///shared/checked/out"},
                    {"path": "/out/b", "url": folder.url("out")},
                ],
            },
        )
        assert answer.status_code == 200, answer.text
        return answer.json() if answer.json()["storage"]["checked"] else None

    found = eventually(looked, within=60, every=1, what="a look at storages")

    first, missing, metadata = found["inputs"]
    assert (first["verdict"], first["size_bytes"]) == ("ok", "5")
    assert (missing["verdict"], metadata["verdict"]) == ("failed", "failed")
    assert "a metadata service, which is always refused" in metadata["message"]
    assert [each["verdict"] for each in found["outputs"]] == ["ok", "ok"]
    assert not found["would_run"]
    assert folder.names() == ["in"]


def test_either_scheduler_can_be_killed_in_every_phase(
    site: Site, gated_storage: GatedStorage
) -> None:
    release = site.release
    tasks = {
        phase: HeldTask(release, gated_storage, f"leader-{phase}", hold=[phase])
        for phase in PHASES
    }
    for phase, task in tasks.items():
        task.reach(phase)

    # One of the two leads; each is killed while the other is there.
    for pod in release.component("scheduler"):
        release.kube.delete("pods", release.namespace, name_of(pod), grace=0)
        assert release.run({"executors": [shell("true")]})["state"] == "COMPLETE"
        release.wait_for_scale("scheduler", 2)
    for phase, task in tasks.items():
        task.resume(phase)

    for task in tasks.values():
        shown = task.check_completed()
        assert len(task.executor_starts()) == 1
        assert "attempt 1" not in system_logs(shown)
        # At least once, in order.
        told = states(site.receiver.wait_for(task.task_id, "COMPLETE", "/all"), "/all")
        assert list(dict.fromkeys(told)) == STATES


def test_schedulers_are_scaled_while_a_task_runs(
    tesk_with_two: Release, gated_storage: GatedStorage
) -> None:
    release = tesk_with_two
    task = HeldTask(release, gated_storage, "scaled", hold=["x0"])
    task.reach("x0")

    release.scale("scheduler", 3)
    release.scale("scheduler", 1)
    task.resume("x0")

    task.check_completed()
    assert len(task.executor_starts()) == 1
