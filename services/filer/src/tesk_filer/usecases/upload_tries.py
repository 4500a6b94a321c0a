"""Uploads outputs again while their error may pass.

In a pod that runs all steps of a task nobody else sees the volume once this process has
ended, so that no taskmaster could start another filer. The rule is the one by which it
does elsewhere, ``tesk_model.upload_retries``. Each try is a whole transfer, which goes
on by the manifest of those before and records its result.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache, partial
from itertools import count

from tesk_filer.ports.transfers import TransferResult
from tesk_filer.usecases.transfer import ExitCode
from tesk_model.upload_retries import UploadRetries, describe_success, with_jitter

_logger = logging.getLogger(__name__)

Conclude = Callable[[TransferResult], TransferResult]
"""Adds to the result of a try, before it is recorded, what follows."""

_NextDelay = Callable[[], timedelta | None]


@dataclass(slots=True, kw_only=True)
class UploadTries:
    """Repeats a transfer; see the module.

    Attributes:
        retries: The rule.
        run_once: Runs one try.
        stop: Ends the waits between tries; set from outside.
        monotonic: Returns seconds that never go back.
        draw: Returns a random number from 0 to 1.
    """

    retries: UploadRetries
    run_once: Callable[[Conclude], ExitCode]
    stop: threading.Event
    monotonic: Callable[[], float]
    draw: Callable[[], float]
    _failing_since: float | None = field(default=None, init=False)

    def run(self) -> ExitCode:
        """Run the transfer until it succeeds, fails for good or no try is left."""
        for tried in count(1):
            # Asked when the result is recorded, if there is one, and here.
            next_delay = cache(partial(self._delay_after, tried))
            code = self.run_once(partial(self._conclude, tried, next_delay))
            delay = next_delay() if code is ExitCode.TEMPORARY_FAILURE else None
            if delay is None:
                return code
            extra = {"tried": tried, "tries": self.retries.tries}
            _logger.warning("outputs not uploaded yet", extra=extra)
            if self.stop.wait(delay.total_seconds()):
                return ExitCode.STOPPED
        raise AssertionError  # counting does not end

    def _delay_after(self, tried: int) -> timedelta | None:
        now = self.monotonic()
        if self._failing_since is None:
            self._failing_since = now
        spent = timedelta(seconds=now - self._failing_since)
        delay = self.retries.delay(tried, spent)
        return None if delay is None else with_jitter(delay, self.draw())

    def _conclude(
        self, tried: int, next_delay: _NextDelay, result: TransferResult
    ) -> TransferResult:
        if self.retries.tries == 1:
            return result
        if not result.error and tried > 1:
            success = describe_success(tried - 1)
            return replace(result, warnings=(*result.warnings, success))
        if not result.transient:
            return result
        text = self.retries.describe_failure(tried, result.error, next_delay())
        return replace(result, error=text)
