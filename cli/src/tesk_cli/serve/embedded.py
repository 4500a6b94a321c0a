"""Runs a server for the duration of one command."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from tesk_cli.serve.supervisor import Supervisor

_CHECK_INTERVAL = timedelta(seconds=0.2)


@dataclass(frozen=True, slots=True)
class Embedded:
    """A running server; its services are checked while its clock sleeps.

    Services end with the thread that started them, so the thread that waits
    for a task must also restart services that crashed.
    """

    supervisor: Supervisor

    @property
    def url(self) -> str:
        """Its url."""
        return self.supervisor.url

    @property
    def engine(self) -> str:
        """Its engine: ``container`` or ``sandbox``."""
        return self.supervisor.engine

    def monotonic(self) -> timedelta:
        """See ``Clock``."""
        return timedelta(seconds=time.monotonic())

    def sleep(self, duration: timedelta) -> None:
        """See ``Clock``; restarts services that crashed meanwhile.

        Raises:
            ServeError: A service crashes again and again.
        """
        end = self.monotonic() + duration
        while (left := end - self.monotonic()) > timedelta(0):
            time.sleep(min(left, _CHECK_INTERVAL).total_seconds())
            self.supervisor.check_services()


@contextmanager
def embedded_server(supervisor: Supervisor) -> Iterator[Embedded]:
    """Yield a server that is ready, and stop it at the end.

    Raises:
        ServeError: It cannot start.
    """
    supervisor.start(threading.Event())
    try:
        yield Embedded(supervisor)
    finally:
        supervisor.stop()
