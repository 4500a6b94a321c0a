"""Retries a call while the scheduler is unavailable, until a timeout.

Every request uses this, so that the first attempt must cost nothing; a retry library
costs each call some ten microseconds of CPU, retried or not.
"""

import itertools
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from tesk_model.backoff import Backoff
from tesk_model.errors import UnavailableError

T = TypeVar("T")

_BACKOFF = Backoff(first=timedelta(seconds=0.05), longest=timedelta(seconds=0.4))
# Seconds. An attempt has at least the first; less than the second is not divided.
_MIN_ATTEMPT_TIME = 0.1
_MIN_DIVIDED_TIME = 1.0


def call_with_retries(
    attempt: Callable[[timedelta], T], timeout: timedelta, *, attempt_share: float
) -> T:
    """Return the first result of ``attempt``.

    Args:
        attempt: Takes the timeout of one attempt; raises UnavailableError to be
            retried.
        timeout: Time for all attempts and the pauses between them.
        attempt_share: Share of the remaining time that one attempt may take.

    Raises:
        UnavailableError: The error of the last attempt.
    """
    deadline = time.monotonic() + timeout.total_seconds()
    for failures in itertools.count(1):
        left = max(_MIN_ATTEMPT_TIME, deadline - time.monotonic())
        seconds = left if left <= _MIN_DIVIDED_TIME else left * attempt_share
        try:
            return attempt(timedelta(seconds=seconds))
        except UnavailableError as error:
            pause = max(_BACKOFF.pause(failures), error.retry_after or timedelta())
            wait = pause.total_seconds()
            if time.monotonic() + wait + _MIN_ATTEMPT_TIME > deadline:
                raise
        threading.Event().wait(wait)
    raise AssertionError
