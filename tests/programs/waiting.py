"""Waits for conditions that other processes cause."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_FIRST, _LONGEST = 0.01, 0.1  # seconds
# Of the time waited so far: what takes long is not asked for all the time, which
# would take the processor from those who do it.
_SHARE = 0.1


def eventually(
    look: Callable[[], T | None],
    *,
    within: float = 100,
    what: str = "it",
    every: float | None = None,
) -> T:
    """Return the first true answer of ``look``; fail after ``within`` seconds.

    What other processes do cannot be waited for by an event of ours; this is
    the one place that looks again and again, ``every`` so many seconds, by default
    after a tenth of the time waited so far, 0.1 s at the most. A machine that is busy
    is no failure: ``within`` only ends what would never happen.
    """
    started = time.monotonic()
    pause = threading.Event()
    while True:
        answer = look()
        if answer:
            return answer
        waited = time.monotonic() - started
        if waited > within:
            message = f"{what} did not happen within {within} s"
            raise AssertionError(message)
        growing = min(max(_FIRST, waited * _SHARE), _LONGEST)
        pause.wait(growing if every is None else every)
