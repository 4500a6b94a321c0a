"""Decides when a service that crashed is started again."""

from dataclasses import dataclass
from datetime import timedelta

from tesk_model.backoff import Backoff


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """Restarts with growing delays; gives up on a crash loop.

    Attributes:
        initial_delay: Delay before the first restart; doubled for each further one.
        max_delay: Upper bound of the delay.
        window: How long a crash is remembered.
        max_crashes: More crashes within ``window`` are a crash loop.
    """

    initial_delay: timedelta = timedelta(seconds=0.2)
    max_delay: timedelta = timedelta(seconds=10)
    window: timedelta = timedelta(seconds=60)
    max_crashes: int = 5

    def delay(self, crashes: list[timedelta], now: timedelta) -> timedelta | None:
        """Return the delay before the next start, or None to give up.

        Args:
            crashes: Monotonic times of the crashes so far, the last one included.
            now: Monotonic time.
        """
        recent = [crash for crash in crashes if now - crash <= self.window]
        if len(recent) > self.max_crashes:
            return None
        backoff = Backoff(first=self.initial_delay, longest=self.max_delay)
        return backoff.pause(len(recent))
