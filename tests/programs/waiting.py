"""Waits for conditions that other processes cause."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(
    look: Callable[[], T | None],
    *,
    within: float = 100,
    what: str = "it",
    every: float = 0.01,
) -> T:
    """Return the first true answer of ``look``; fail after ``within`` seconds.

    What other processes do cannot be waited for by an event of ours; this is
    the one place that looks again and again, ``every`` so many seconds. A machine
    that is busy is no failure: ``within`` only ends what would never happen.
    """
    deadline = time.monotonic() + within
    pause = threading.Event()
    while True:
        answer = look()
        if answer:
            return answer
        if time.monotonic() > deadline:
            message = f"{what} did not happen within {within} s"
            raise AssertionError(message)
        pause.wait(every)
