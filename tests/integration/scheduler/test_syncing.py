"""The calls of one taskmaster to one scheduler; time moves when a test says so."""

from datetime import timedelta

import pytest

from schedulers.served import TOKEN
from schedulers.stepped import LEASE, SteppedSchedulers
from tesk_model.names import Attempt
from tesk_model.task import TaskId
from tesk_scheduler.domain.orders import Orders
from tesk_scheduler.usecases.notifier import Notifier
from tesk_scheduler.usecases.syncing import LeaseTerms, SyncCall, Syncing

IDLE = timedelta(seconds=60)


@pytest.fixture
def syncing(stepped: SteppedSchedulers) -> Syncing:
    """Return what answers."""
    terms = LeaseTerms(
        secret=TOKEN, lease=LEASE, idle=IDLE, recheck=None, revision=lambda: ""
    )
    return Syncing(
        store=stepped.store, clock=stepped.clock, notifier=Notifier(), terms=terms
    )


def sync(syncing: Syncing, *held: str) -> Orders:
    """Call as tm-1, without waiting."""
    attempts = frozenset(Attempt(TaskId(each), 1) for each in held)
    call = SyncCall(taskmaster="tm-1", held=attempts, slots=1, wait=timedelta(0))
    return syncing.sync(call)


def test_an_idle_taskmaster_is_told_to_exit_after_the_idle_time(
    stepped: SteppedSchedulers, syncing: Syncing
) -> None:
    exits = []
    for _ in range(7):
        exits.append(sync(syncing).exit)
        stepped.wait(10)

    assert exits == [False] * 6 + [True]
    assert stepped.store.fleet() == []


def test_an_attempt_in_between_restarts_the_idle_time(
    stepped: SteppedSchedulers, syncing: Syncing
) -> None:
    sync(syncing)
    stepped.wait(25)
    sync(syncing, "t-1")
    stepped.wait(25)
    sync(syncing)
    stepped.wait(25)

    assert not sync(syncing).exit


def test_an_unheld_attempt_is_ordered_again_when_a_wait_is_over(
    stepped: SteppedSchedulers, syncing: Syncing
) -> None:
    stepped.add("t-1")
    stepped.scheduler().reconcile()
    first = sync(syncing)
    again = sync(syncing)

    assert [each.attempt.task_id for each in first.run] == ["t-1"]
    assert again.run == first.run
    assert first.lease == LEASE


def test_a_lease_is_renewed_when_a_third_of_it_is_over(
    stepped: SteppedSchedulers, syncing: Syncing
) -> None:
    leases = []
    for _ in range(5):
        leases.append(sync(syncing).lease.total_seconds())
        stepped.wait(4)

    assert leases == [30, 26, 22, 30, 26]
