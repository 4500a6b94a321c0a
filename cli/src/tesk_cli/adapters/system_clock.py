"""Reads the time of this machine."""

import time
from datetime import timedelta


class SystemClock:
    """``Clock`` that really waits."""

    def monotonic(self) -> timedelta:
        """See ``Clock``."""
        return timedelta(seconds=time.monotonic())

    def sleep(self, duration: timedelta) -> None:
        """See ``Clock``."""
        time.sleep(duration.total_seconds())
