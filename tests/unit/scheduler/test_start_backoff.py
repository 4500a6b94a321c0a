"""Pauses between starts of taskmasters that fail."""

from datetime import timedelta

from builders.scheduler_tasks import NOON
from tesk_scheduler.domain.fleet import Taskmaster
from tesk_scheduler.domain.fleet_plan import Moment
from tesk_scheduler.domain.start_backoff import StartBackoff

NOW = Moment(time=NOON, monotonic=100.0)
REFUSED = StartBackoff().after_failure("no", refused=True, now=NOW)
SILENT = StartBackoff().after_failure("it ended", refused=False, now=NOW)


def member(*, seen: bool, age: float) -> Taskmaster:
    """Return a taskmaster that was started so many seconds ago."""
    return Taskmaster(
        id="tm-1",
        slots=1,
        assigned=0,
        lease_until=NOON,
        seen=seen,
        started_at=NOON - timedelta(seconds=age),
    )


def test_each_failure_doubles_the_pause_up_to_a_bound() -> None:
    backoff, pauses = StartBackoff(), []
    for _ in range(7):
        backoff = backoff.after_failure("no", refused=True, now=NOW)
        pauses.append(backoff.not_before - NOW.monotonic)

    assert pauses == [1, 2, 4, 8, 16, 30, 30]


def test_none_is_started_during_a_pause() -> None:
    assert not StartBackoff().is_paused(NOW)
    assert REFUSED.is_paused(NOW)
    assert not REFUSED.is_paused(Moment(time=NOON, monotonic=101.0))


def test_a_start_shows_that_starts_are_not_refused_and_no_more() -> None:
    assert REFUSED.after_start() == StartBackoff()
    assert SILENT.after_start() == SILENT


def test_a_call_of_one_started_since_shows_that_all_is_well() -> None:
    assert SILENT.after_calls([member(seen=True, age=0)]) == StartBackoff()
    assert SILENT.after_calls([member(seen=True, age=1)]) == SILENT
    assert SILENT.after_calls([member(seen=False, age=0)]) == SILENT
