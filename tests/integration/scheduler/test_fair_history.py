"""What users have used decides who is next, also after another scheduler leads."""

from dataclasses import replace
from datetime import timedelta

import pytest

from fakes.scheduler_environment import FrozenClock
from fakes.scheduler_launcher import FakeLauncher
from schedulers.stepped import SteppedSchedulers
from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.domain.quota import (
    FairShare,
    Limit,
    Quota,
    Rates,
    Subject,
    SubjectKind,
)
from tesk_scheduler.domain.transitions import with_state
from tesk_scheduler.ports.store import Transaction

ALICE = Subject(SubjectKind.USER, "alice")
ONE_AT_A_TIME = Quota(everybody=Limit(running=1))


@pytest.fixture
def stepped(store: SqlTaskStore) -> SteppedSchedulers:
    """Prepare; one task runs at a time."""
    return SteppedSchedulers(
        store=store,
        launcher=FakeLauncher(),
        clock=FrozenClock(),
        quota=ONE_AT_A_TIME,
    )


def end(stepped: SteppedSchedulers, name: str) -> None:
    """Let a task end, and its taskmaster go."""

    def write(tx: Transaction) -> None:
        (record,) = tx.records([TaskId(name)]).values()
        ended = with_state(record, TaskState.SYSTEM_ERROR, stepped.clock.now())
        tx.save(record, ended.replaced(released=True))
        tx.remove_taskmaster(record.taskmaster or "", only_idle=False)

    stepped.store.write(write)


def is_admitted(stepped: SteppedSchedulers, name: str) -> bool:
    return stepped.record(name).state is TaskState.INITIALIZING


def test_who_has_used_less_is_next_also_after_a_restart(
    stepped: SteppedSchedulers,
) -> None:
    leader = stepped.scheduler()
    stepped.add("t-1", owner="alice")
    leader.reconcile()
    stepped.wait(300)
    leader.reconcile()
    end(stepped, "t-1")

    # By name alice would be first, and her task came first.
    stepped.add("t-2", owner="alice")
    stepped.add("t-3", owner="bob")
    stepped.scheduler().reconcile()

    assert is_admitted(stepped, "t-3")
    assert not is_admitted(stepped, "t-2")


def test_what_runs_is_sampled_also_while_nobody_waits(
    stepped: SteppedSchedulers,
) -> None:
    stepped.quota = replace(
        ONE_AT_A_TIME, fair_share=FairShare(sample=timedelta(seconds=10))
    )
    leader = stepped.scheduler()
    stepped.add("t-1", owner="alice")
    leader.reconcile()

    assert leader.reconcile() <= 10


def test_an_admission_is_charged_at_once_and_only_when_it_happens(
    stepped: SteppedSchedulers,
) -> None:
    stepped.add("t-1", "t-2", owner="alice")
    leader = stepped.scheduler()
    leader.reconcile()
    charged = stepped.store.usage_history()

    leader.reconcile()

    # The second waits, in both rounds: it costs nothing yet.
    assert is_admitted(stepped, "t-1")
    assert set(charged) == {ALICE}
    assert charged[ALICE].average[0] > 0
    assert stepped.store.usage_history() == charged


def test_a_service_that_is_idle_writes_no_history(stepped: SteppedSchedulers) -> None:
    leader = stepped.scheduler()
    stepped.add("t-1")
    leader.reconcile()
    end(stepped, "t-1")
    before = stepped.store.usage_history()

    for _ in range(3):
        stepped.wait(600)
        leader.reconcile()

    assert stepped.store.usage_history() == before


def test_a_round_follows_as_soon_as_the_rate_permits(
    stepped: SteppedSchedulers,
) -> None:
    stepped.quota = Quota(rates=Rates(per_second=4, burst=1))
    stepped.add("t-1", "t-2")
    leader = stepped.scheduler()

    wait = leader.reconcile()

    assert is_admitted(stepped, "t-1")
    assert not is_admitted(stepped, "t-2")
    assert wait == pytest.approx(0.25)
    stepped.wait(wait)
    leader.reconcile()
    assert is_admitted(stepped, "t-2")
