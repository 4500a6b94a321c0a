"""What the leader does about taskmasters, round by round."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from fakes.scheduler_environment import FrozenClock
from fakes.scheduler_launcher import FakeLauncher
from schedulers.stepped import LEASE, SteppedSchedulers
from tesk_model.errors import ConflictError
from tesk_model.states import TaskState
from tesk_scheduler.adapters.store.engines import sqlite_url
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.domain.transitions import canceled
from tesk_scheduler.ports.launcher import LaunchError
from tesk_scheduler.usecases.leader_loop import LeaderLoop

QUOTA_FULL = 'pods "x" is forbidden: exceeded quota: few'
NODES = "0/3 nodes are available: 3 Insufficient memory."

NEVER_DELETED = """
CREATE TRIGGER never BEFORE DELETE ON task BEGIN SELECT RAISE(ABORT, 'never'); END
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SteppedSchedulers]:
    """Prepare; nothing runs by itself."""
    store = SqlTaskStore.open(sqlite_url(tmp_path / "tesk.db"))
    yield SteppedSchedulers(store=store, launcher=FakeLauncher(), clock=FrozenClock())
    store.close()


@pytest.fixture
def leader(site: SteppedSchedulers) -> LeaderLoop:
    """Start a scheduler whose only task has a taskmaster that calls."""
    leader = site.scheduler()
    site.add("t-1")
    leader.reconcile()
    (name,) = site.launcher.launched
    site.call(name)
    leader.reconcile()
    return leader


def test_a_taskmaster_that_may_still_act_keeps_its_tasks_until_its_lease_ends(
    site: SteppedSchedulers, leader: LeaderLoop
) -> None:
    first = site.record().taskmaster
    assert first is not None
    site.launcher.vanish(first)

    site.add("t-2")
    leader.reconcile()
    kept, elsewhere = site.record().taskmaster, site.record("t-2").taskmaster
    site.wait(31)
    leader.reconcile()

    assert (kept, elsewhere) == (first, "tm-2")
    assert site.record().taskmaster not in (None, first)
    assert site.record().attempt == 1


def test_the_round_comes_when_the_lease_ends(
    site: SteppedSchedulers, leader: LeaderLoop
) -> None:
    first = site.record().taskmaster
    assert first is not None
    site.launcher.vanish(first)

    assert leader.reconcile() <= LEASE.total_seconds()


def test_tasks_of_a_taskmaster_that_cannot_be_ended_are_not_reassigned(
    site: SteppedSchedulers, leader: LeaderLoop
) -> None:
    first = site.record().taskmaster
    site.launcher.outage = "the API server does not answer"
    site.wait(31)

    pauses = [leader.reconcile() for _ in range(3)]
    kept = site.record()
    site.launcher.outage = ""
    leader.reconcile()

    assert kept.taskmaster == first
    assert kept.reason.text == (
        "waiting for a taskmaster: the last one cannot be ended yet:"
        " the API server does not answer"
    )
    assert all(0 < pause <= 5 for pause in pauses)
    assert site.record().taskmaster == "tm-2"
    assert site.record().reason.text == ""


def test_a_taskmaster_that_calls_again_before_it_could_be_ended_goes_on(
    site: SteppedSchedulers, leader: LeaderLoop
) -> None:
    first = site.record().taskmaster
    assert first is not None
    site.launcher.outage = "the API server does not answer"
    site.wait(31)
    leader.reconcile()

    site.call(first, "t-1")
    site.launcher.outage = ""
    leader.reconcile()

    assert site.record().taskmaster == first
    assert site.record().reason.text == ""
    assert site.launcher.killed == []


class Silent(FakeLauncher):
    """A launcher that does not know yet who lives."""

    def alive(self) -> set[str]:
        raise LaunchError("not yet known")


def test_no_taskmaster_is_lost_before_it_is_known_which_are_alive(
    site: SteppedSchedulers, leader: LeaderLoop
) -> None:
    del leader
    site.wait(31)

    successor = site.scheduler(Silent())
    pause = successor.reconcile()

    assert site.record().taskmaster == "tm-1"
    assert 0 < pause <= 5


def test_a_scheduler_that_died_before_it_started_one_starts_it_then(
    site: SteppedSchedulers,
) -> None:
    site.add("t-1")
    site.launcher.refusal = "the scheduler is dead"
    dead = FakeLauncher()
    site.scheduler(dead).reconcile()  # the row is there; the taskmaster is elsewhere

    site.launcher.refusal = ""
    site.scheduler().reconcile()

    assert site.launcher.launched == ["tm-1"] == dead.launched
    assert site.record().taskmaster == "tm-1"


def test_a_scheduler_that_died_just_after_adopts_it(site: SteppedSchedulers) -> None:
    site.add("t-1")
    site.scheduler().reconcile()

    site.scheduler().reconcile()

    assert site.launcher.launched == ["tm-1"]
    assert site.launcher.killed == []


def test_the_message_of_a_taskmaster_that_does_not_come_up_is_the_reason(
    site: SteppedSchedulers,
) -> None:
    leader = site.scheduler()
    site.add("t-1")
    leader.reconcile()
    site.launcher.complain("tm-1", NODES)

    leader.reconcile()
    told = site.record().reason.text
    site.launcher.complain("tm-1", "ErrImagePull: not found")
    leader.reconcile()
    changed = site.record().reason.text
    site.launcher.complain("tm-1", "")
    leader.reconcile()

    assert told == f"waiting for a taskmaster: {NODES}"
    assert changed == "waiting for a taskmaster: ErrImagePull: not found"
    assert site.record().reason.text == ""


def test_the_reason_goes_when_the_taskmaster_calls(site: SteppedSchedulers) -> None:
    leader = site.scheduler()
    site.add("t-1")
    leader.reconcile()
    site.launcher.complain("tm-1", NODES)
    leader.reconcile()

    site.call("tm-1")

    assert site.record().reason.text == ""


def test_a_reason_that_stays_is_written_once(site: SteppedSchedulers) -> None:
    leader = site.scheduler()
    site.add("t-1")
    leader.reconcile()
    site.launcher.complain("tm-1", NODES)
    leader.reconcile()
    before = site.record()

    for _ in range(3):
        site.wait(2)
        assert leader.reconcile() <= 15

    assert site.record() == before


def test_a_taskmaster_that_never_calls_is_removed(site: SteppedSchedulers) -> None:
    leader = site.scheduler()
    site.add("t-1")
    leader.reconcile()
    site.launcher.complain("tm-1", NODES)

    site.wait(599)
    leader.reconcile()
    waiting = site.record().taskmaster
    site.wait(2)
    leader.reconcile()

    assert waiting == "tm-1"
    assert site.launcher.killed == ["tm-1"]


def test_a_full_quota_is_the_reason_of_those_who_wait_beside_those_who_run(
    site: SteppedSchedulers, leader: LeaderLoop
) -> None:
    site.launcher.refusal = QUOTA_FULL
    site.add("t-2")

    leader.reconcile()
    leader.reconcile()
    given_back = site.record("t-2").reason.text
    site.add("t-3")
    tries = []
    for _ in range(6):
        site.call("tm-1", "t-1")
        site.wait(leader.reconcile())
        tries.append(site.clock.monotonic())
    queued = site.record("t-3").reason.text
    site.launcher.refusal = ""
    for _ in range(40):
        site.call("tm-1", "t-1")
        site.wait(min(leader.reconcile(), 5))

    assert given_back == queued == f"no taskmaster can be started: {QUOTA_FULL}"
    assert site.record("t-2").taskmaster is not None
    assert site.record("t-3").taskmaster is not None
    assert site.record("t-2").reason.text == site.record("t-3").reason.text == ""


class LateAnswers(FakeLauncher):
    """Starts taskmasters, which call before it is known that they started."""

    def __init__(self, site: SteppedSchedulers) -> None:
        super().__init__()
        self._site = site

    def launch(self, taskmaster_id: str) -> None:
        super().launch(taskmaster_id)
        self._site.call(taskmaster_id)
        raise LaunchError("no answer in time")


def test_a_taskmaster_that_called_keeps_what_it_has_though_its_start_seemed_to_fail(
    site: SteppedSchedulers,
) -> None:
    leader = site.scheduler(LateAnswers(site))
    site.add("t-1")

    leader.reconcile()

    assert site.record().taskmaster == "tm-1"
    assert [member.id for member in site.store.fleet()] == ["tm-1"]


def test_a_round_ends_its_starts_after_one_refusal(site: SteppedSchedulers) -> None:
    leader = site.scheduler()
    site.add("t-1", "t-2", "t-3")
    site.launcher.refusal = "exceeded quota"

    leader.reconcile()

    assert site.launcher.refused == 1
    assert site.store.fleet() == []
    assert {site.record(f"t-{n}").reason.text for n in (1, 2, 3)} == {
        "no taskmaster can be started: exceeded quota"
    }


def test_a_taskmaster_that_the_store_does_not_know_is_removed_after_a_while(
    site: SteppedSchedulers, leader: LeaderLoop
) -> None:
    site.launcher.appear("tm-stray")

    leader.reconcile()
    at_once = list(site.launcher.killed)
    for _ in range(7):
        site.call("tm-1", "t-1")
        site.wait(10)
        leader.reconcile()

    assert at_once == []
    assert site.launcher.killed == ["tm-stray"]
    assert site.record().taskmaster == "tm-1"


def test_leftovers_of_a_taskmaster_that_was_told_to_exit_are_removed_at_once(
    site: SteppedSchedulers, leader: LeaderLoop
) -> None:
    site.launcher.appear("tm-old")
    leader.reconcile()
    site.launcher.die("tm-old", 0, remains=True)

    leader.reconcile()

    assert site.launcher.killed == ["tm-old"]


def test_an_outage_makes_no_round_follow_the_other_at_once(
    site: SteppedSchedulers, leader: LeaderLoop
) -> None:
    site.launcher.die("tm-old", 0, remains=True)
    site.launcher.outage = "the API server does not answer"

    assert 0 < leader.reconcile() <= 5


def test_a_follower_neither_starts_nor_ends_anything(site: SteppedSchedulers) -> None:
    leader = site.scheduler(exclusive=False)
    leader.reconcile()
    other = FakeLauncher()
    follower = site.scheduler(other, exclusive=False)
    other.appear("tm-stray")
    other.die("tm-old", 0, remains=True)
    site.add("t-1")

    for _ in range(10):
        leader.reconcile()
        follower.reconcile()
        site.wait(5)

    assert (other.launched, other.killed) == ([], [])
    assert site.launcher.launched == ["tm-1"]


def test_a_former_leader_ends_no_taskmaster(site: SteppedSchedulers) -> None:
    late = site.scheduler(exclusive=False)
    late.reconcile()
    site.launcher.die("tm-old", 0, remains=True)
    site.wait(1)  # it still believes that it leads
    site.store.write(
        lambda tx: tx.acquire_lead(
            "other",
            now=site.clock.now(),
            until=site.clock.now() + timedelta(hours=1),
            force=True,
        )
    )

    with pytest.raises(ConflictError):
        late.reconcile()

    assert site.launcher.killed == []


def test_old_tasks_that_cannot_be_deleted_do_not_stop_the_rounds(
    site: SteppedSchedulers,
) -> None:
    leader = site.scheduler()
    site.add("t-1")
    old = site.record()
    site.store.write(lambda tx: tx.save(old, canceled(old, site.clock.now())))
    with site.store._engines.reader.begin() as connection:
        connection.execute(text(NEVER_DELETED))
    site.wait(timedelta(days=365).total_seconds())

    with pytest.raises(ConflictError):
        leader.reconcile()
    site.add("t-2")
    leader.reconcile()

    assert site.record("t-2").taskmaster == "tm-1"
    assert site.record("t-1").state is TaskState.CANCELED
