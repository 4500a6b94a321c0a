"""The leader's loop is woken by what a round of it would act on."""

import threading
import time

from tesk_scheduler.usecases.notifier import LeaderWakeup

_LONG = 60.0
_SHORT = 0.2


def _seconds_of_wait(
    wakeup: LeaderWakeup, timeout: float, *, awaits_room: bool
) -> float:
    began = time.monotonic()
    wakeup.wait(timeout, _LONG, 0.0, awaits_room=awaits_room)
    return time.monotonic() - began


def test_freed_room_wakes_at_once_while_something_waits_for_it() -> None:
    wakeup = LeaderWakeup()
    waiting = threading.Thread(
        target=wakeup.wait, args=(_LONG, _LONG, 0.0), daemon=True
    )
    waiting.start()

    wakeup.notify_freed()

    waiting.join(_LONG / 2)
    assert not waiting.is_alive()


def test_room_that_was_freed_during_a_round_wakes_after_it() -> None:
    wakeup = LeaderWakeup()
    wakeup.wait(0.0, 0.0, 0.0, awaits_room=False)
    wakeup.notify_freed()

    assert _seconds_of_wait(wakeup, _LONG, awaits_room=True) < _LONG / 2


def test_freed_room_wakes_nobody_while_nothing_waits_for_it() -> None:
    wakeup = LeaderWakeup()
    wakeup.wait(0.0, 0.0, 0.0, awaits_room=False)
    wakeup.notify_freed()

    assert _seconds_of_wait(wakeup, _SHORT, awaits_room=False) >= _SHORT


def test_a_round_has_seen_what_was_freed_before_it() -> None:
    wakeup = LeaderWakeup()
    wakeup.notify_freed()
    wakeup.wait(0.0, 0.0, 0.0)

    assert _seconds_of_wait(wakeup, _SHORT, awaits_room=True) >= _SHORT
