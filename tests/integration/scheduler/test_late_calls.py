"""A taskmaster that calls while it is being given up has a lease again.

So its attempts are not reassigned before it surely ended, or that lease is over.
"""

from dataclasses import replace
from datetime import timedelta

from builders.scheduler_tasks import NOON
from fakes.scheduler_launcher import FakeLauncher
from schedulers.stepped import SteppedSchedulers
from tesk_scheduler.usecases.leader_loop import LeaderLoop


def run_a_task(stepped: SteppedSchedulers) -> LeaderLoop:
    """Start a scheduler whose only task has a taskmaster that calls."""
    leader = stepped.scheduler()
    stepped.add("t-1")
    leader.reconcile()
    stepped.call("tm-1")
    leader.reconcile()
    return leader


class CalledWhileKilling(FakeLauncher):
    """A launcher during whose first removal tm-1 calls; no process surely ends."""

    def __init__(self, stepped: SteppedSchedulers) -> None:
        super().__init__()
        self._site: SteppedSchedulers | None = stepped

    def kill(self, taskmaster_id: str) -> None:
        super().kill(taskmaster_id)
        self.vanish(taskmaster_id)
        site, self._site = self._site, None
        if site is not None:
            site.call("tm-1", "t-1")


def test_a_taskmaster_that_calls_while_it_is_ended_keeps_its_tasks_for_a_lease(
    stepped: SteppedSchedulers,
) -> None:
    run_a_task(stepped)
    launcher = CalledWhileKilling(stepped)
    launcher.appear("tm-1")
    successor = stepped.scheduler(launcher)
    stepped.wait(31)

    successor.reconcile()
    kept = [stepped.record().taskmaster]
    stepped.wait(29)
    successor.reconcile()
    kept.append(stepped.record().taskmaster)
    stepped.wait(2)
    successor.reconcile()

    assert kept == ["tm-1", "tm-1"]
    assert stepped.record().taskmaster == "tm-2"
    assert stepped.record().attempt == 1


def test_a_taskmaster_that_calls_while_others_are_ended_goes_on(
    stepped: SteppedSchedulers,
) -> None:
    leader = run_a_task(stepped)
    stepped.add("t-2")
    leader.reconcile()
    stepped.call("tm-2")
    launcher = CalledWhileKilling(stepped)
    for each in ("tm-1", "tm-2"):
        launcher.appear(each)
    stepped.store.write(
        lambda tx: tx.put_taskmaster(
            replace(stepped.store.fleet()[1], started_at=NOON - timedelta(days=1))
        )
    )
    stepped.wait(31)

    stepped.scheduler(launcher).reconcile()

    assert launcher.killed == ["tm-2"]
    assert stepped.record("t-1").taskmaster == "tm-1"
    assert stepped.record("t-2").taskmaster == "tm-3"
