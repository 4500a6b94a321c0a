"""Waiting for the end of a container without losing time to the engine.

Podman looks at a container that is waited for four times a second, and less often
when it is busy. The launcher's report is a file of this machine: it tells of the
end at once, and the engine knows of it a moment later. Where no report comes, since
the launcher was killed, the engine's answer ends the wait.
"""

import threading
import time
from contextlib import suppress

from tesk_taskmaster.adapters.container.api import (
    ContainerApi,
    EngineRefusedError,
    EngineSilentError,
)
from tesk_taskmaster.adapters.container.files import RunFiles
from tesk_taskmaster.adapters.container.retries import RETRY_INTERVAL, pause
from tesk_taskmaster.ports import ExecutorRun

# Seconds between two looks at the file: the longer a run lasts, the less it
# matters, and many may last long.
_SHORTEST = 0.01
_LONGEST = 0.2
_GROWTH = 1.2


def await_end(api: ContainerApi, run: ExecutorRun, seconds: float) -> None:
    """Return when a run may have ended, or after ``seconds``; then look.

    Never returns at once, so that a caller may repeat it.
    """
    files = RunFiles(run)
    age = files.report_age()
    if age is not None:
        # The engine is late, or a command has written over the report.
        pause(min(seconds, max(_SHORTEST, min(age / 4, RETRY_INTERVAL))))
        return
    deadline = time.monotonic() + seconds
    answered = threading.Event()
    began = time.monotonic()
    ask = threading.Thread(target=_ask, args=(api, run.name, seconds, answered))
    ask.daemon = True
    ask.start()
    between = _SHORTEST
    while files.report_age() is None:
        left = deadline - time.monotonic()
        if left <= 0:
            return
        if answered.wait(min(between, left)):
            # An engine that is down says so at once, each time.
            pause(
                min(
                    left,
                    RETRY_INTERVAL if time.monotonic() - began < RETRY_INTERVAL else 0,
                )
            )
            return
        between = min(between * _GROWTH, _LONGEST)


def _ask(
    api: ContainerApi, name: str, seconds: float, answered: threading.Event
) -> None:
    # Silence means that the time is over or the engine down: the caller looks.
    with suppress(EngineSilentError, EngineRefusedError):
        api.wait(name, seconds)
    answered.set()
