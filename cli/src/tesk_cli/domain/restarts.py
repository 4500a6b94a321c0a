"""When a service that crashed is started again, and when not any more."""

from dataclasses import dataclass
from datetime import timedelta

from tesk_model.backoff import Backoff


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """Start again at once, then ever later; give up on a crash loop.

    Attributes:
        first: Delay before the first restart; doubled for each further one.
        longest: Upper bound of the delay.
        window: How long a crash is remembered.
        most: More crashes than this within ``window`` are a crash loop.
    """

    first: timedelta = timedelta(seconds=0.2)
    longest: timedelta = timedelta(seconds=10)
    window: timedelta = timedelta(seconds=60)
    most: int = 5

    def delay(self, crashes: list[timedelta], now: timedelta) -> timedelta | None:
        """Say how long to wait before the next start, or None to give up.

        Args:
            crashes: Monotonic times of the crashes so far, the last one included.
            now: Monotonic time.
        """
        recent = [crash for crash in crashes if now - crash <= self.window]
        if len(recent) > self.most:
            return None
        backoff = Backoff(first=self.first, longest=self.longest)
        return backoff.pause(len(recent))
