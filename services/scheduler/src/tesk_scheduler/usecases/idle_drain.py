"""Tells idle taskmasters to exit when a scheduler shuts down.

Otherwise they would stay until their lease ends after a service was stopped for
good. Busy ones stay: what they run goes on, and they wait for the next scheduler.
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
        exclusive: No other scheduler could have work for them.
    """

    fleet: Fleet
    wakeups: TaskmasterWakeups
    clock: Clock
    exclusive: bool

    def run(self, timeout: timedelta) -> None:
        """Return when only busy taskmasters are left, or after ``timeout``.

        Calls must still be served, and no more tasks admitted.
        """
        if not self.exclusive:
            return
        self.wakeups.drain()
        deadline = self.clock.monotonic() + timeout.total_seconds()
        pause = threading.Event()
        while not self.fleet.are_all_busy() and self.clock.monotonic() < deadline:
            pause.wait(_PAUSE)
