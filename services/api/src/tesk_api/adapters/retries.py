"""Repeats a call while the scheduler is away, until time is up.

Every request goes through here, so that the first try must cost nothing; a retry
library costs each call some ten microseconds of CPU, retried or not.
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
# Less time than this is not worth a try; a share of it is not divided further.
_LEAST = 0.1
_UNDIVIDED = 1.0


def call_with_retries(
    attempt: Callable[[timedelta], T], within: timedelta, *, share: float
) -> T:
    """Return the first result of ``attempt``.

    Args:
        attempt: Takes the time that it may need; raises UnavailableError if
            another try may have more luck.
        within: Time for all tries and the pauses between them.
        share: Of the time that is left, what one try may take.

    Raises:
        UnavailableError: That of the last try.
    """
    until = time.monotonic() + within.total_seconds()
    for failures in itertools.count(1):
        left = max(_LEAST, until - time.monotonic())
        one = left if left <= _UNDIVIDED else left * share
        try:
            return attempt(timedelta(seconds=one))
        except UnavailableError as error:
            pause = max(_BACKOFF.pause(failures), error.retry_after or timedelta())
            wait = pause.total_seconds()
            if time.monotonic() + wait + _LEAST > until:
                raise
        threading.Event().wait(wait)
    raise AssertionError
