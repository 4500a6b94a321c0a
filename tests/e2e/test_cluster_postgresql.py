"""Several schedulers on PostgreSQL: when one is killed, another takes over."""

import os
from collections.abc import Iterator

import pytest

from cluster.database import SECRET, database_in, database_secret
from cluster.gated_storage import GatedStorage
from cluster.held_task import PHASES, HeldTask
from cluster.kube import name_of
from cluster.release import Release, installed
from cluster.session import Session
from cluster.values import merged
from scenarios.scenario import shell, system_logs

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def tesk_with_two(session: Session) -> Iterator[Release]:
    """A release with two schedulers."""
    image = os.environ.get("TESK_E2E_POSTGRES_IMAGE", "postgres:15")
    namespace = f"{session.name}-postgresql"
    change = {
        "database": {"type": "postgresql", "postgresql": {"existingSecret": SECRET}},
        "scheduler": {"replicas": 2},
        "api": {"replicas": 1},
    }
    with (
        database_in(session.kube, f"{session.name}-servers", image) as url,
        installed(
            session.kube,
            namespace,
            merged(session.values(), change),
            [database_secret(namespace, url)],
        ) as release,
    ):
        release.connect()
        yield release


def test_either_scheduler_can_be_killed_in_every_phase(
    tesk_with_two: Release, gated_storage: GatedStorage
) -> None:
    release = tesk_with_two
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
