"""Rounds go on at a bounded pace, whatever becomes of them."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from tesk_api.http.rounds import Rounds, Work
from tesk_model.errors import UnavailableError

ENOUGH = 60.0  # seconds of the clock below


@dataclass
class Time:
    """A clock that goes on by pauses, and by what rounds take."""

    seconds: float = 0.0
    pauses: list[float] = field(default_factory=list)
    beats: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def monotonic(self) -> float:
        return self.seconds

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds += seconds


def run_rounds(clock: Time, run: Callable[[], None]) -> None:
    """Run rounds for a minute of the clock."""
    ended = threading.Event()

    def is_needed() -> bool:
        if clock.seconds < ENOUGH:
            return True
        ended.set()
        return False

    lock = threading.Lock()
    rounds = Rounds(
        Work(
            run=run,
            heartbeat=lambda: clock.beats.append(clock.seconds),
            is_needed=is_needed,
        ),
        name="test",
        clock=clock,
        lock=lock,
        pause=clock.pause,
    )
    with lock:
        rounds.begin()
    assert ended.wait(30)


@pytest.mark.parametrize(
    ("takes", "pause"), [(0.0, 0.5), (0.01, 0.5), (0.3, 3.0), (4.0, 10.0), (50.0, 10.0)]
)
def test_the_pause_grows_with_a_round_up_to_some_seconds(
    takes: float, pause: float
) -> None:
    clock = Time()

    def run() -> None:
        clock.seconds += takes

    run_rounds(clock, run)
    assert clock.pauses == pytest.approx([pause] * len(clock.pauses))


def test_a_scheduler_that_was_away_is_asked_again_at_once() -> None:
    clock = Time()

    def run() -> None:
        clock.seconds += 10
        raise UnavailableError("away")

    run_rounds(clock, run)
    assert set(clock.pauses) == {0.5}


@pytest.mark.parametrize("takes", [0.0, 0.3, 5.0])
@pytest.mark.parametrize("error", [None, UnavailableError("away"), ValueError("bug")])
def test_listeners_hear_that_the_server_lives_also_while_rounds_fail(
    takes: float, error: Exception | None
) -> None:
    clock = Time()

    def run() -> None:
        clock.seconds += takes
        if error is not None:
            raise error

    run_rounds(clock, run)
    heard = [*clock.beats, clock.seconds]
    # Every 15 seconds, and a round with its pause later at most.
    assert max(b - a for a, b in pairwise(heard)) <= 15 + 15
    assert len(clock.beats) >= 3
