"""Waits for the end of a container, without the delay of the engine.

Podman polls a container four times a second, and less often when it is busy. The
launcher's report is a file of this machine and appears at once. If no report comes,
because the launcher was killed, the engine's answer ends the wait.
"""

import threading
import time
from contextlib import suppress

from tesk_taskmaster.adapters.container.api import (
    ContainerApi,
    EngineRefusedError,
    EngineUnresponsiveError,
)
from tesk_taskmaster.adapters.container.files import RunFiles
from tesk_taskmaster.adapters.container.retries import RETRY_INTERVAL, pause
from tesk_taskmaster.domain.executor_run import ExecutorRun

# Seconds between two checks of the file; grow, since many runs may last long.
_MIN_INTERVAL = 0.01
_MAX_INTERVAL = 0.2
_GROWTH = 1.2


def wait_for_end(api: ContainerApi, run: ExecutorRun, seconds: float) -> None:
    """Return when a run may have ended, or after ``seconds``.

    Never returns at once, so that a caller may repeat it.
    """
    files = RunFiles(run)
    age = files.report_age()
    if age is not None:
        # The engine is late, or a command has overwritten the report.
        pause(min(seconds, max(_MIN_INTERVAL, min(age / 4, RETRY_INTERVAL))))
        return
    deadline = time.monotonic() + seconds
    answered = threading.Event()
    began = time.monotonic()
    waiter = threading.Thread(target=_wait, args=(api, run.name, seconds, answered))
    waiter.daemon = True
    waiter.start()
    interval = _MIN_INTERVAL
    while files.report_age() is None:
        left = deadline - time.monotonic()
        if left <= 0:
            return
        if answered.wait(min(interval, left)):
            # Calls to an engine that is down fail at once.
            pause(
                min(
                    left,
                    RETRY_INTERVAL if time.monotonic() - began < RETRY_INTERVAL else 0,
                )
            )
            return
        interval = min(interval * _GROWTH, _MAX_INTERVAL)


def _wait(
    api: ContainerApi, name: str, seconds: float, answered: threading.Event
) -> None:
    # A timeout, or the engine is down: the caller inspects the container.
    with suppress(EngineUnresponsiveError, EngineRefusedError):
        api.wait(name, seconds)
    answered.set()
