"""When outputs are tried again.

Inputs that do not arrive cost nothing but time, so a new attempt may bring them.
Outputs stand at the end of a computation: they are tried again in the same
attempt, each try as a step of its own name, which a successor can count.
"""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadRetries:
    """How often and how long outputs are tried.

    Attributes:
        tries: At most so many.
        timeout: None begins later than this after the end of the first.
        backoff: Before the second; doubles with each,
        longest: up to this.
    """

    tries: int
    timeout: timedelta
    backoff: timedelta
    longest: timedelta

    def pause(self, tried: int, spent: timedelta) -> timedelta | None:
        """Return how long to wait before another try; None to give up.

        Args:
            tried: Tries that have failed.
            spent: Time since the first of them ended.
        """
        if tried >= self.tries:
            return None
        doublings = min(tried - 1, 30)  # beyond, any number is the longest
        pause = min(self.longest, self.backoff * 2**doublings)
        return pause if spent + pause <= self.timeout else None
