"""The leader starts, adopts, reassigns and removes taskmasters."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from fakes.scheduler_launcher import FakeLauncher
from schedulers.stepped import LEASE, SteppedSchedulers
from tesk_model.errors import ConflictError
from tesk_model.states import TaskState
from tesk_scheduler.domain.transitions import canceled
from tesk_scheduler.ports.launcher import LaunchError
from tesk_scheduler.usecases.leader_loop import LeaderLoop

QUOTA_FULL = 'pods "x" is forbidden: exceeded quota: few'
NODES = "0/3 nodes are available: 3 Insufficient memory."

NEVER_DELETED = """
CREATE TRIGGER never BEFORE DELETE ON task BEGIN SELECT RAISE(ABORT, 'never'); END
"""


@pytest.fixture
def leader(stepped: SteppedSchedulers) -> LeaderLoop:
    """Start a scheduler whose only task has a taskmaster that calls."""
    leader = stepped.scheduler()
    stepped.add("t-1")
    leader.reconcile()
    (name,) = stepped.launcher.launched
    stepped.call(name)
    leader.reconcile()
    return leader


def test_a_taskmaster_that_may_still_act_keeps_its_tasks_until_its_lease_ends(
    stepped: SteppedSchedulers, leader: LeaderLoop
) -> None:
    first = stepped.record().taskmaster
    assert first is not None
    stepped.launcher.vanish(first)

    stepped.add("t-2")
    leader.reconcile()
    kept, elsewhere = stepped.record().taskmaster, stepped.record("t-2").taskmaster
    stepped.wait(31)
    leader.reconcile()

    assert (kept, elsewhere) == (first, "tm-2")
    assert stepped.record().taskmaster not in (None, first)
    assert stepped.record().attempt == 1


def test_the_round_comes_when_the_lease_ends(
    stepped: SteppedSchedulers, leader: LeaderLoop
) -> None:
    first = stepped.record().taskmaster
    assert first is not None
    stepped.launcher.vanish(first)

    assert leader.reconcile() <= LEASE.total_seconds()


def test_tasks_of_a_taskmaster_that_cannot_be_ended_are_not_reassigned(
    stepped: SteppedSchedulers, leader: LeaderLoop
) -> None:
    first = stepped.record().taskmaster
    stepped.launcher.outage = "the API server does not answer"
    stepped.wait(31)

    pauses = [leader.reconcile() for _ in range(3)]
    kept = stepped.record()
    stepped.launcher.outage = ""
    leader.reconcile()

    assert kept.taskmaster == first
    assert kept.reason.text == (
        "waiting for a taskmaster: the last one cannot be ended yet:"
        " the API server does not answer"
    )
    assert all(0 < pause <= 5 for pause in pauses)
    assert stepped.record().taskmaster == "tm-2"
    assert stepped.record().reason.text == ""


def test_a_taskmaster_that_calls_again_before_it_could_be_ended_goes_on(
    stepped: SteppedSchedulers, leader: LeaderLoop
) -> None:
    first = stepped.record().taskmaster
    assert first is not None
    stepped.launcher.outage = "the API server does not answer"
    stepped.wait(31)
    leader.reconcile()

    stepped.call(first, "t-1")
    stepped.launcher.outage = ""
    leader.reconcile()

    assert stepped.record().taskmaster == first
    assert stepped.record().reason.text == ""
    assert stepped.launcher.killed == []


class Silent(FakeLauncher):
    """A launcher that does not know yet which taskmasters are alive."""

    def alive(self) -> set[str]:
        raise LaunchError("not yet known")


def test_no_taskmaster_is_lost_before_it_is_known_which_are_alive(
    stepped: SteppedSchedulers, leader: LeaderLoop
) -> None:
    del leader
    stepped.wait(31)

    successor = stepped.scheduler(Silent())
    pause = successor.reconcile()

    assert stepped.record().taskmaster == "tm-1"
    assert 0 < pause <= 5


def test_a_scheduler_that_died_before_it_started_one_starts_it_then(
    stepped: SteppedSchedulers,
) -> None:
    stepped.add("t-1")
    stepped.launcher.refusal = "the scheduler is dead"
    dead = FakeLauncher()
    stepped.scheduler(dead).reconcile()  # the row is there; the taskmaster is elsewhere

    stepped.launcher.refusal = ""
    stepped.scheduler().reconcile()

    assert stepped.launcher.launched == ["tm-1"] == dead.launched
    assert stepped.record().taskmaster == "tm-1"


def test_a_scheduler_that_died_just_after_adopts_it(stepped: SteppedSchedulers) -> None:
    stepped.add("t-1")
    stepped.scheduler().reconcile()

    stepped.scheduler().reconcile()

    assert stepped.launcher.launched == ["tm-1"]
    assert stepped.launcher.killed == []


def test_the_message_of_a_taskmaster_that_does_not_come_up_is_the_reason(
    stepped: SteppedSchedulers,
) -> None:
    leader = stepped.scheduler()
    stepped.add("t-1")
    leader.reconcile()
    stepped.launcher.report_message("tm-1", NODES)

    leader.reconcile()
    text = stepped.record().reason.text
    stepped.launcher.report_message("tm-1", "ErrImagePull: not found")
    leader.reconcile()
    changed = stepped.record().reason.text
    stepped.launcher.report_message("tm-1", "")
    leader.reconcile()

    assert text == f"waiting for a taskmaster: {NODES}"
    assert changed == "waiting for a taskmaster: ErrImagePull: not found"
    assert stepped.record().reason.text == ""


def test_the_reason_goes_when_the_taskmaster_calls(stepped: SteppedSchedulers) -> None:
    leader = stepped.scheduler()
    stepped.add("t-1")
    leader.reconcile()
    stepped.launcher.report_message("tm-1", NODES)
    leader.reconcile()

    stepped.call("tm-1")

    assert stepped.record().reason.text == ""


def test_a_reason_that_stays_is_written_once(stepped: SteppedSchedulers) -> None:
    leader = stepped.scheduler()
    stepped.add("t-1")
    leader.reconcile()
    stepped.launcher.report_message("tm-1", NODES)
    leader.reconcile()
    before = stepped.record()

    for _ in range(3):
        stepped.wait(2)
        assert leader.reconcile() <= 15

    assert stepped.record() == before


def test_a_taskmaster_that_never_calls_is_removed(stepped: SteppedSchedulers) -> None:
    leader = stepped.scheduler()
    stepped.add("t-1")
    leader.reconcile()
    stepped.launcher.report_message("tm-1", NODES)

    stepped.wait(599)
    leader.reconcile()
    waiting = stepped.record().taskmaster
    stepped.wait(2)
    leader.reconcile()

    assert waiting == "tm-1"
    assert stepped.launcher.killed == ["tm-1"]


def test_a_full_quota_is_the_reason_of_those_who_wait_beside_those_who_run(
    stepped: SteppedSchedulers, leader: LeaderLoop
) -> None:
    stepped.launcher.refusal = QUOTA_FULL
    stepped.add("t-2")

    leader.reconcile()
    leader.reconcile()
    given_back = stepped.record("t-2").reason.text
    stepped.add("t-3")
    tries = []
    for _ in range(6):
        stepped.call("tm-1", "t-1")
        stepped.wait(leader.reconcile())
        tries.append(stepped.clock.monotonic())
    queued = stepped.record("t-3").reason.text
    stepped.launcher.refusal = ""
    for _ in range(40):
        stepped.call("tm-1", "t-1")
        stepped.wait(min(leader.reconcile(), 5))

    assert given_back == queued == f"no taskmaster can be started: {QUOTA_FULL}"
    assert stepped.record("t-2").taskmaster is not None
    assert stepped.record("t-3").taskmaster is not None
    assert stepped.record("t-2").reason.text == stepped.record("t-3").reason.text == ""


class LateAnswers(FakeLauncher):
    """Starts taskmasters, which call before it is known that they started."""

    def __init__(self, stepped: SteppedSchedulers) -> None:
        super().__init__()
        self._site = stepped

    def launch(self, taskmaster_id: str) -> None:
        super().launch(taskmaster_id)
        self._site.call(taskmaster_id)
        raise LaunchError("no answer in time")


def test_a_taskmaster_that_called_keeps_what_it_has_though_its_start_seemed_to_fail(
    stepped: SteppedSchedulers,
) -> None:
    leader = stepped.scheduler(LateAnswers(stepped))
    stepped.add("t-1")

    leader.reconcile()

    assert stepped.record().taskmaster == "tm-1"
    assert [member.id for member in stepped.store.fleet()] == ["tm-1"]


def test_a_round_ends_its_starts_after_one_refusal(stepped: SteppedSchedulers) -> None:
    leader = stepped.scheduler()
    stepped.add("t-1", "t-2", "t-3")
    stepped.launcher.refusal = "exceeded quota"

    leader.reconcile()

    assert stepped.launcher.refused == 1
    assert stepped.store.fleet() == []
    assert {stepped.record(f"t-{n}").reason.text for n in (1, 2, 3)} == {
        "no taskmaster can be started: exceeded quota"
    }


def test_a_taskmaster_that_the_store_does_not_know_is_removed_after_a_while(
    stepped: SteppedSchedulers, leader: LeaderLoop
) -> None:
    stepped.launcher.appear("tm-orphan")

    leader.reconcile()
    at_once = list(stepped.launcher.killed)
    for _ in range(7):
        stepped.call("tm-1", "t-1")
        stepped.wait(10)
        leader.reconcile()

    assert at_once == []
    assert stepped.launcher.killed == ["tm-orphan"]
    assert stepped.record().taskmaster == "tm-1"


def test_leftovers_of_a_taskmaster_that_was_told_to_exit_are_removed_at_once(
    stepped: SteppedSchedulers, leader: LeaderLoop
) -> None:
    stepped.launcher.appear("tm-old")
    leader.reconcile()
    stepped.launcher.die("tm-old", 0, leaves_something=True)

    leader.reconcile()

    assert stepped.launcher.killed == ["tm-old"]


def test_an_outage_makes_no_round_follow_the_other_at_once(
    stepped: SteppedSchedulers, leader: LeaderLoop
) -> None:
    stepped.launcher.die("tm-old", 0, leaves_something=True)
    stepped.launcher.outage = "the API server does not answer"

    assert 0 < leader.reconcile() <= 5


def test_a_follower_neither_starts_nor_ends_anything(
    stepped: SteppedSchedulers,
) -> None:
    leader = stepped.scheduler(exclusive=False)
    leader.reconcile()
    other = FakeLauncher()
    follower = stepped.scheduler(other, exclusive=False)
    other.appear("tm-orphan")
    other.die("tm-old", 0, leaves_something=True)
    stepped.add("t-1")

    for _ in range(10):
        leader.reconcile()
        follower.reconcile()
        stepped.wait(5)

    assert (other.launched, other.killed) == ([], [])
    assert stepped.launcher.launched == ["tm-1"]


def test_a_former_leader_ends_no_taskmaster(stepped: SteppedSchedulers) -> None:
    late = stepped.scheduler(exclusive=False)
    late.reconcile()
    stepped.launcher.die("tm-old", 0, leaves_something=True)
    stepped.wait(1)  # it still believes that it leads
    stepped.store.write(
        lambda tx: tx.acquire_lead(
            "other",
            now=stepped.clock.now(),
            until=stepped.clock.now() + timedelta(hours=1),
            force=True,
        )
    )

    with pytest.raises(ConflictError):
        late.reconcile()

    assert stepped.launcher.killed == []


def test_old_tasks_that_cannot_be_deleted_do_not_stop_the_rounds(
    stepped: SteppedSchedulers,
) -> None:
    leader = stepped.scheduler()
    stepped.add("t-1")
    old = stepped.record()
    stepped.store.write(lambda tx: tx.save(old, canceled(old, stepped.clock.now())))
    with stepped.store._engines.reader.begin() as connection:
        connection.execute(text(NEVER_DELETED))
    stepped.wait(timedelta(days=365).total_seconds())

    with pytest.raises(ConflictError):
        leader.reconcile()
    stepped.add("t-2")
    leader.reconcile()

    assert stepped.record("t-2").taskmaster == "tm-1"
    assert stepped.record("t-1").state is TaskState.CANCELED
