"""Retries calls while the engine does not answer.

It may be down for a while (it is updated, the machine is busy). Every call is
idempotent.
"""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from tesk_model.reasons import Reason, ReasonCode
from tesk_taskmaster.adapters.container.api import (
    EngineRefusedError,
    EngineUnresponsiveError,
)
from tesk_taskmaster.ports import ReportReason, StepFailedError

_T = TypeVar("_T")
_UNRESPONSIVE = Reason(
    ReasonCode.API_SERVER_UNREACHABLE,
    "waiting for the container engine, which does not answer",
)
UNRESPONSIVE_TIMEOUT = 60.0  # seconds until a call gives up
RETRY_INTERVAL = 0.5  # seconds between two tries


def retried(call: Callable[[], _T], report_reason: ReportReason | None = None) -> _T:
    """Repeat an idempotent call while the engine does not answer.

    Raises:
        StepFailedError: It refused, or did not answer for too long.
    """
    deadline = time.monotonic() + UNRESPONSIVE_TIMEOUT
    while True:
        try:
            return call()
        except EngineRefusedError as error:
            raise StepFailedError(
                f"the container engine: {error}",
                code=ReasonCode.CONTAINER_START_FAILED,
                lost=True,
            ) from error
        except EngineUnresponsiveError as error:
            if time.monotonic() > deadline:
                raise StepFailedError(
                    f"the container engine does not answer: {error}",
                    code=_UNRESPONSIVE.code,
                    lost=True,
                ) from error
            if report_reason is not None:
                report_reason(_UNRESPONSIVE)
            pause(RETRY_INTERVAL)


def pause(seconds: float) -> None:
    """Wait; a negative duration counts as zero."""
    if seconds > 0:
        threading.Event().wait(seconds)
