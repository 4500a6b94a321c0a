"""A scheduler that is killed at each of its writes and actions loses and doubles nothing.

One scheduler after the other works on the same database, each until it reaches the
point at which it dies; meanwhile clients create and cancel tasks, an operator acts on
them, and a taskmaster is killed now and then. ``make test`` has some of the points, ``make chaos`` all, on both
databases.
"""

import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from programs.chaos import LONG, Chaos, chaos
from programs.operators import operating
from programs.waiting import eventually
from tesk_scheduler.adapters.store.engines import sqlite_url

# Who writes; a new one belongs here, so that it is killed, too.
WRITERS = (
    "Submission.submit",
    "Cancellation.cancel",
    "Admission._begin",
    "BatchedWrites._lead",  # of reports
    "Leases.renew",
    "Syncing._remove",
    "LeaderLoop._take_lead",
    "LeaderLoop._release_lead",
    "DueTasks._settle",
    "Retention.delete_batch",
    "Retention._delete_changes",
    "Fleet.reconcile",
    "Reassignment._assign",
    "TaskmasterReaper._unassign_all",
    "PastUsages._sample",
    "WaitReasons._write",
    "Holding.put",
    "Holding.remove",
    "Priorities.set",
    "Requeueing._requeue",
    "MassCancellation._cancel",
    "Taskmasters.drain",
)
# They need a taskmaster that cannot be started, or does not come up, or reports that
# cannot be written together.
ELSEWHERE = {
    *("Fleet._unassign", "Reassignment._explain", "explain_absence"),
    "BatchedWrites._alone",
}
TASKMASTER = "a taskmaster"
ACTIONS = ("launching", "launched", "killing", "killed")
ALL = (
    *(f"{place} {name}" for name in WRITERS for place in ("written", "committed")),
    *(f"{place} {TASKMASTER}" for place in ACTIONS),
)
# The lead was taken or renewed.
LEADS = "committed LeaderLoop._take_lead"
SOME = (
    "committed Submission.submit",
    "committed Admission._begin",
    "launched a taskmaster",
    "committed BatchedWrites._lead",
)
# They are reached when a taskmaster is lost.
AFTER_A_LOSS = (
    *("Fleet.reconcile", "Reassignment._assign", "TaskmasterReaper"),
    *ACTIONS,
)
_TASKS = 8
# Seconds after it began to lead within which a scheduler reaches its point, or else in
# its end.
_REACHED = 10.0
_TRIES = 3
_KILLED = -signal.SIGKILL


@pytest.mark.chaos
@pytest.mark.timeout(7200)
def test_killed_at_each_point(database: str, tmp_path: Path) -> None:
    with chaos(tmp_path, database) as it:
        died = die_at(it, ALL)

        assert died == set(ALL)
        names = {point.partition(" ")[2] for point in it.points()}
        assert names - {*WRITERS, *ELSEWHERE, TASKMASTER} == set()


@pytest.mark.timeout(1800)
def test_killed_at_some_points(tmp_path: Path) -> None:
    with chaos(tmp_path, sqlite_url(tmp_path / "tesk.db")) as it:
        assert die_at(it, SOME) == set(SOME)


def die_at(it: Chaos, points: Sequence[str]) -> set[str]:
    """Let a scheduler die at each point, then one finish all; check everything.

    Returns:
        The points at which one died.
    """
    died: set[str] = set()
    clients: list[threading.Thread] = []
    with operating(it):
        for point in _again(points, died):
            led = it.points()[LEADS]
            it.start(point)
            # Those of earlier points may still try, too.
            client = threading.Thread(target=it.submit, args=[_TASKS], daemon=True)
            client.start()
            clients.append(client)
            if any(name in point for name in AFTER_A_LOSS):
                eventually(lambda: it.has_died() or it.kill_a_taskmaster(), within=LONG)
            _wait_until_it_leads(it, led)
            code = it.process.wait(_REACHED) if it.process.running else _KILLED
            if (it.stop() if code is None else code) == _KILLED:
                died.add(point)
            it.check_counters()
        it.start()
        it.submit(1)  # it answers, so that it can be ended in good order
    for client in clients:
        client.join(LONG)
        assert not client.is_alive()
    it.wait_for_the_end()
    assert it.stop() == 0
    it.check()
    return died


def _wait_until_it_leads(it: Chaos, led: int) -> None:
    """Wait for the next time; the lead of one that was killed lasts for some time."""
    eventually(
        lambda: it.has_died() or it.points()[LEADS] > led, within=LONG, what="the lead"
    )


def _again(points: Sequence[str], died: set[str]) -> Iterator[str]:
    """Give all points, then those that were not reached by chance once more."""
    for _ in range(_TRIES):
        yield from [point for point in points if point not in died]
