"""Retries transient failures of storages: backoff with full jitter.

Source:
    AWS Architecture Blog, "Exponential Backoff And Jitter": full jitter.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import chain, repeat
from typing import TypeVar

import tenacity

from tesk_filer.ports import HaltedError, Storage, StorageError, Storages
from tesk_model.locations import Location

T = TypeVar("T")

_LISTEN = 0.2  # seconds; a signal sets an event without waking us
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Repeats a call on a storage while its error is transient.

    What changed or was damaged is not continued: the caller begins its file anew.

    Attributes:
        tries: Maximum of calls.
        backoff: Upper bound of the first wait; it doubles with each try.
        longest: Upper bound of any wait, beside what the storage asks for.
        halt: Ends all waits.
        listen: Called several times in each second of a wait; raises HaltedError to end
            it. None: ``halt`` alone does.
    """

    tries: int
    backoff: timedelta
    longest: timedelta
    halt: threading.Event
    listen: Callable[[], object] | None = None

    def __call__(self, call: Callable[[], T]) -> T:
        """Make ``call`` until it succeeds.

        Raises:
            StorageError: The last one, or the first that is not transient.
            HaltedError: ``halt`` was set.
        """
        try:
            return call()  # nearly all succeed, and need no machinery
        except StorageError as error:
            if not _is_transient(error) or self.tries == 1:
                raise
            first = error
        attempts = chain([first], repeat(None))

        def repeated() -> T:
            failed = next(attempts)
            if failed is not None:
                raise failed
            return call()

        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self.tries),
            wait=self._wait,
            retry=tenacity.retry_if_exception(_is_transient),
            sleep=self._sleep,
            before_sleep=_log,
            reraise=True,
        )
        return retrying(repeated)

    def check_halted(self) -> None:
        """Raise HaltedError if ``halt`` is set."""
        if self.halt.is_set():
            raise HaltedError

    def _wait(self, state: tenacity.RetryCallState) -> float:
        jittered = tenacity.wait_random_exponential(
            multiplier=self.backoff.total_seconds(), max=self.longest.total_seconds()
        )(state)
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, StorageError) else None
        # Who is told the same time by a storage must not come back at once, either.
        return asked.total_seconds() + jittered if asked else jittered

    def _sleep(self, seconds: float) -> None:
        left = seconds
        if self.listen is not None:
            self.listen()
            while left > _LISTEN:
                self._pause(_LISTEN)
                self.listen()
                left -= _LISTEN
        self._pause(left)

    def _pause(self, seconds: float) -> None:
        if self.halt.wait(seconds):
            raise HaltedError


@dataclass(frozen=True, slots=True)
class RetriedStorages:
    """Satisfies ``ports.Storages``: which serves a url may be unknown for a while."""

    storages: Storages
    retry: Retry

    def of(self, location: Location) -> Storage:
        """See ``Storages``.

        Raises:
            HaltedError: The transfer was stopped.
        """
        return self.retry(partial(self.storages.of, location))


def _log(state: tenacity.RetryCallState) -> None:
    """Say why a call is repeated; there may be a million, so to those who look only."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, StorageError):
        seconds = round(state.upcoming_sleep, 1)
        extra = {"reason": error.message, "number": state.attempt_number}
        _logger.debug("tried again", extra={**extra, "in_seconds": seconds})


def _is_transient(error: BaseException) -> bool:
    return isinstance(error, StorageError) and error.transient and not error.begins_anew
