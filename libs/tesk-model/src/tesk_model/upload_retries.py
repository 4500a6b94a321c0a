"""Decides when a failed upload of outputs is tried again, for whoever tries it.

Inputs that fail to arrive cost only time, so a new attempt may fetch them.
Outputs are the result of a computation: their upload is tried again in the same
attempt. The taskmaster does that, each try as a step of its own name, so that a
successor can count those that began; in a pod that runs all steps only the filer can, since
nobody else sees the volume.
"""

from dataclasses import dataclass
from datetime import timedelta

from tesk_model.backoff import Backoff

_LEAST_JITTER = 0.75


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
    max_backoff: timedelta = timedelta(minutes=5)

    def delay(self, tried: int, spent: timedelta) -> timedelta | None:
        """Return the delay before the next try; None to give up.

        Args:
            tried: Number of failed tries.
            spent: Time since the first of them ended.
        """
        if tried >= self.tries:
            return None
        delay = Backoff(first=self.backoff, longest=self.max_backoff).pause(tried)
        return delay if spent + delay <= self.timeout else None

    def describe_failure(
        self, tried: int, cause: str, delay: timedelta | None = None
    ) -> str:
        """Say that a try has failed, and what follows.

        Args:
            tried: Number of failed tries.
            cause: Why the last of them failed.
            delay: Until the next one; None: there is none.
        """
        if delay is not None:
            return (
                f"the outputs could not be uploaded yet ({cause}); try {tried + 1} of "
                f"{self.tries} in {delay.total_seconds():.0f} s"
            )
        if tried > 1:
            return f"the outputs could not be uploaded, tried {tried} times: {cause}"
        return f"the outputs could not be uploaded: {cause}"


def describe_success(tried: int) -> str:
    """Say that the outputs were uploaded after so many failed tries."""
    return f"the outputs were uploaded at try {tried + 1}"


def with_jitter(delay: timedelta, draw: float) -> timedelta:
    """Return a delay that is a little shorter, at random.

    Many tasks fail together when a storage does; jitter spreads their retries.

    Args:
        delay: The longest.
        draw: Random number from 0 to 1.
    """
    return delay * (_LEAST_JITTER + (1 - _LEAST_JITTER) * draw)
