"""Decides when a failed upload of outputs is tried again.

Inputs that fail to arrive cost only time, so a new attempt may fetch them.
Outputs are the result of a computation: their upload is tried again in the same
attempt, each try as a step of its own name, so that a successor can count them.
"""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadRetries:
    """How often, and for how long, the upload of outputs is tried.

    Attributes:
        tries: Maximum number.
        timeout: No try begins later than this after the end of the first.
        backoff: Delay before the second try; doubles with each further one.
        max_backoff: The longest delay.
    """

    tries: int
    timeout: timedelta
    backoff: timedelta
    max_backoff: timedelta

    def delay(self, tried: int, spent: timedelta) -> timedelta | None:
        """Return the delay before the next try; None to give up.

        Args:
            tried: Number of failed tries.
            spent: Time since the first of them ended.
        """
        if tried >= self.tries:
            return None
        doublings = min(tried - 1, 30)  # any more than the maximum anyway
        delay = min(self.max_backoff, self.backoff * 2**doublings)
        return delay if spent + delay <= self.timeout else None
