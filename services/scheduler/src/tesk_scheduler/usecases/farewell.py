"""The end of a scheduler: who has nothing to run is sent away first.

Otherwise the idle taskmasters of a service that was stopped for good would
stay until their lease ends, as processes that nobody expects. Those who run
something stay: what they run goes on, and they wait for the next scheduler.
"""

import threading
from dataclasses import dataclass
from datetime import timedelta

from tesk_scheduler.ports.surroundings import Clock
from tesk_scheduler.usecases.fleet import Fleet
from tesk_scheduler.usecases.wakeups import Wakeups

_PAUSE = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Farewell:
    """Sends the idle away.

    Attributes:
        alone: No other scheduler is there that would have work for them.
    """

    fleet: Fleet
    wakeups: Wakeups
    clock: Clock
    alone: bool

    def say(self, within: timedelta) -> None:
        """Return when all have gone who run nothing, or after ``within``.

        Calls must still be served, and nothing be admitted any more.
        """
        if not self.alone:
            return
        self.wakeups.drain()
        deadline = self.clock.monotonic() + within.total_seconds()
        pause = threading.Event()
        while not self.fleet.only_busy_left() and self.clock.monotonic() < deadline:
            pause.wait(_PAUSE)
