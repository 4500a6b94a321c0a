"""The lead is given up at the end of a process, whatever went wrong before."""

import threading
from collections.abc import Collection

import pytest

from fakes.scheduler_environment import FrozenClock
from fakes.scheduler_launcher import FakeLauncher
from schedulers.stepped import SteppedSchedulers
from tesk_model.errors import UnavailableError
from tesk_scheduler.adapters.store.store import SqlTaskStore


class Stopping(FakeLauncher):
    """Lets the process be told to stop in the middle of a round, which may fail."""

    def __init__(self, *, fails: bool) -> None:
        super().__init__()
        self.stop = threading.Event()
        self._fails = fails

    def alive(self) -> Collection[str]:
        """Answer, or fail as a store that is away for a moment."""
        self.stop.set()
        if self._fails:
            raise UnavailableError("away for a moment")
        return super().alive()


@pytest.mark.parametrize("fails", [False, True])
def test_a_leader_that_stops_gives_the_lead_up(
    store: SqlTaskStore, *, fails: bool
) -> None:
    launcher = Stopping(fails=fails)
    stepped = SteppedSchedulers(store=store, launcher=launcher, clock=FrozenClock())
    leader = stepped.scheduler(exclusive=False)

    thread = threading.Thread(target=leader.run, args=[launcher.stop])
    thread.start()
    thread.join(60)

    known = store.leader()
    assert known is not None
    assert known.holder.endswith("scheduler-0")
    assert known.is_free(stepped.clock.now())


def test_a_follower_takes_a_lead_that_was_given_up_at_its_next_look(
    store: SqlTaskStore,
) -> None:
    launcher = Stopping(fails=False)
    stepped = SteppedSchedulers(store=store, launcher=launcher, clock=FrozenClock())
    leader = stepped.scheduler(exclusive=False)
    follower = stepped.scheduler(exclusive=False)

    leader.reconcile()
    looks_again = follower.reconcile()
    before = store.leader()
    leader.run(launcher.stop)
    leader_has_it = store.leader()
    follower.reconcile()
    after = store.leader()

    assert looks_again <= 0.25
    assert before is not None
    assert before.epoch == 1
    assert leader_has_it is not None
    assert after is not None
    assert (after.epoch, after.holder[-1]) == (2, "1")
