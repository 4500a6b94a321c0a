"""Failed starts of taskmasters are reported and retried with a backoff."""

from dataclasses import dataclass
from datetime import timedelta

import pytest

from builders.scheduler_tasks import make_new_task
from fakes.scheduler_environment import CountingIds, FrozenClock
from fakes.scheduler_launcher import FakeLauncher
from schedulers.served import NO_QUOTA_CHECK, QUOTA, TOKEN
from tesk_model.task import TaskId
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.config import Settings
from tesk_scheduler.main import build_scheduler
from tesk_scheduler.ports.quota import FixedQuota
from tesk_scheduler.servicer.scheduler import Dependencies
from tesk_scheduler.usecases.leader_loop import LeaderLoop
from tesk_scheduler.usecases.notifier import Notifier

TASK = TaskId("t-1")


@dataclass(frozen=True, slots=True, kw_only=True)
class SteppedScheduler:
    """A scheduler whose rounds a test runs, with one queued task."""

    store: SqlTaskStore
    launcher: FakeLauncher
    clock: FrozenClock
    leader_loop: LeaderLoop

    @property
    def reason(self) -> str:
        """Why the task does not run."""
        record = self.store.record(TASK)
        return record.reason.text if record else ""

    def run_until_due(self) -> None:
        """Run a round, and let the time pass until the next is due."""
        self.clock.advance(timedelta(seconds=self.leader_loop.reconcile()))


@pytest.fixture
def stepped(store: SqlTaskStore) -> SteppedScheduler:
    """Prepare a scheduler; nothing runs by itself."""
    launcher, clock = FakeLauncher(), FrozenClock()
    dependencies = Dependencies(
        store=store,
        deliveries=store.deliveries,
        exclusive=True,
        launcher=launcher,
        clock=clock,
        ids=CountingIds(),
        token=TOKEN,
        quotas=FixedQuota(QUOTA),
        check_quota=NO_QUOTA_CHECK,
        notifier=Notifier(),
    )
    store.write(lambda tx: tx.add_tasks([make_new_task(TASK)]))
    leader_loop = build_scheduler(Settings(), dependencies).leader_loop
    return SteppedScheduler(
        store=store, launcher=launcher, clock=clock, leader_loop=leader_loop
    )


def test_a_taskmaster_that_cannot_start_is_the_reason_at_once(
    stepped: SteppedScheduler,
) -> None:
    stepped.launcher.refusal = "no such program"

    stepped.run_until_due()

    assert stepped.reason == "no taskmaster can be started: no such program"


def test_a_taskmaster_that_dies_at_its_start_is_the_reason(
    stepped: SteppedScheduler,
) -> None:
    stepped.leader_loop.reconcile()
    stepped.launcher.die(stepped.launcher.launched[0], 3)

    stepped.run_until_due()

    assert stepped.reason == "no taskmaster can be started: it ended with exit code 3"


def test_a_start_is_tried_again_after_growing_pauses(stepped: SteppedScheduler) -> None:
    stepped.launcher.refusal = "no such program"
    began = stepped.clock.monotonic()
    tries = []
    for _ in range(7):
        stepped.run_until_due()
        tries.append(stepped.clock.monotonic() - began)

    stepped.launcher.refusal = ""
    stepped.run_until_due()

    assert tries == [1, 3, 7, 15, 31, 61, 91]
    assert len(stepped.launcher.launched) == 1
    assert [
        record.id for record in stepped.store.assigned(stepped.launcher.launched[0])
    ]
