"""A server for the duration of one command."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from tesk_cli.serve.supervisor import Supervisor

_LOOK = timedelta(seconds=0.2)


@dataclass(frozen=True, slots=True)
class Embedded:
    """A running server, kept up by whoever sleeps with its clock.

    Services end with the thread that started them, so the thread that waits
    for a task is also the one that restarts what crashes.
    """

    supervisor: Supervisor

    @property
    def url(self) -> str:
        """Where it listens."""
        return self.supervisor.url

    @property
    def engine(self) -> str:
        """What runs executors."""
        return self.supervisor.engine

    def monotonic(self) -> timedelta:
        """See ``Clock``."""
        return timedelta(seconds=time.monotonic())

    def sleep(self, duration: timedelta) -> None:
        """See ``Clock``; restarts what has crashed meanwhile.

        Raises:
            ServeError: A service crashes again and again.
        """
        end = self.monotonic() + duration
        while (left := end - self.monotonic()) > timedelta(0):
            time.sleep(min(left, _LOOK).total_seconds())
            self.supervisor.tend()


@contextmanager
def embedded_server(supervisor: Supervisor) -> Iterator[Embedded]:
    """Give a server that is ready, and stop it at the end.

    Raises:
        ServeError: It cannot start.
    """
    supervisor.start(threading.Event())
    try:
        yield Embedded(supervisor)
    finally:
        supervisor.stop()
