"""The shutdown of a scheduler: idle taskmasters are told to exit first.

Otherwise the idle taskmasters of a service that was stopped for good would
stay until their lease ends, as processes that nobody expects. Busy ones stay:
what they run goes on, and they wait for the next scheduler.
"""

import threading
from dataclasses import dataclass
from datetime import timedelta

from tesk_scheduler.ports.environment import Clock
from tesk_scheduler.usecases.fleet import Fleet
from tesk_scheduler.usecases.notifier import TaskmasterWakeups

_PAUSE = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleDrain:
    """Tells idle taskmasters to exit.

    Attributes:
        alone: No other scheduler could have work for them.
    """

    fleet: Fleet
    wakeups: TaskmasterWakeups
    clock: Clock
    alone: bool

    def run(self, timeout: timedelta) -> None:
        """Return when only busy taskmasters are left, or after ``timeout``.

        Calls must still be served, and nothing be admitted any more.
        """
        if not self.alone:
            return
        self.wakeups.drain()
        deadline = self.clock.monotonic() + timeout.total_seconds()
        pause = threading.Event()
        while not self.fleet.are_all_busy() and self.clock.monotonic() < deadline:
            pause.wait(_PAUSE)
