"""Transfers many files at once, with bounded threads and a bounded queue."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from tesk_filer.domain.expansion import TooLargeError
from tesk_filer.ports import HaltedError, StorageError
from tesk_filer.usecases.worker_threads import WorkerThreads
from tesk_model.errors import TeskError
from tesk_model.locations import InvalidLocationError

_logger = logging.getLogger(__name__)
_HALT_GRACE = timedelta(seconds=5)  # for running work to stop


@dataclass(frozen=True, slots=True)
class Failure:
    """A piece of work that failed; the message names it and the cause."""

    message: str
    transient: bool


class WorkerPool:
    """Runs pieces of work in threads, and collects their failures in order."""

    def __init__(
        self, size: int, halt: threading.Event, *, stops_at_failure: bool
    ) -> None:
        """Run ``size`` pieces of work at a time, until ``halt`` is set.

        Args:
            size: Number of threads.
            halt: No work starts after it is set, and running work gets a short grace.
            stops_at_failure: The first failure sets ``halt``.
        """
        self._halt = halt
        self._stops_at_failure = stops_at_failure
        self._changed = threading.Condition()
        self._free_slots = size * 2
        self._pending = 0
        self._failures: list[Failure] = []
        self._fatal: TeskError | None = None
        self._size = size
        self._threads = WorkerThreads(size, "move")

    @property
    def failures(self) -> tuple[Failure, ...]:
        """What has failed so far."""
        return tuple(self._failures)

    def submit(self, name: object, work: Callable[[], None]) -> None:
        """Run ``work`` soon; wait while too much is queued already.

        Args:
            name: Its text names the work in the message of its failure.
            work: May raise StorageError, TooLargeError or InvalidLocationError.

        Raises:
            HaltedError: ``halt`` is set.
        """
        with self._changed:
            while self._free_slots == 0 and not self._halt.is_set():
                self._changed.wait(0.2)
            if self._halt.is_set():
                raise HaltedError
            self._free_slots -= 1
            self._pending += 1
        self._threads.submit(partial(self._run, name, work))

    def grow(self, size: int) -> None:
        """Run ``size`` pieces of work at a time from now on, if that is more."""
        with self._changed:
            self._free_slots += max(size - self._size, 0) * 2
            self._size = max(size, self._size)
            self._threads.grow(self._size)
            self._changed.notify_all()

    def offer(self, work: Callable[[], None], copies: int) -> None:
        """Run ``work`` in so many threads when they are free, perhaps never.

        Args:
            work: Raises nothing.
            copies: Number of threads.
        """
        for _ in range(0 if self._halt.is_set() else copies):
            self._threads.submit(work)

    def run(self, name: object, work: Callable[[], None]) -> None:
        """Run ``work`` at once, in this thread, as ``submit`` does in another.

        Raises:
            HaltedError: ``halt`` is set.
        """
        if self._halt.is_set():
            raise HaltedError
        self.call(name, work)

    def call(self, name: object, work: Callable[[], None]) -> None:
        """Run ``work`` at once, in this thread; failures are collected as well."""
        try:
            work()
        except HaltedError:
            return
        except StorageError as error:
            self._fail(Failure(f"{name}: {error.message}", error.transient))
        except (TooLargeError, InvalidLocationError) as error:
            self._fail(Failure(f"{name}: {error}", transient=False))
        except TeskError as error:
            self._fatal = error
            self.halt()
        except Exception:
            # A bug that concerns one file must not lose the result of all.
            _logger.exception("moving a file failed", extra={"file": str(name)})
            self._fail(Failure(f"{name}: internal error of the filer", transient=True))

    def drain(self) -> None:
        """Wait until no work is left.

        Raises:
            HaltedError: ``halt`` is set; work may be left running.
            TeskError: What some work raised; it concerns the whole transfer.
        """
        with self._changed:
            while self._pending and not self._halt.is_set():
                self._changed.wait(0.2)  # a signal sets halt without waking us
            if self._halt.is_set():
                self._changed.wait_for(
                    lambda: self._pending == 0, _HALT_GRACE.total_seconds()
                )
                raise self._fatal or HaltedError

    def close(self) -> None:
        """Shut down the threads, without waiting for those that hang."""
        self._threads.close()

    def _run(self, name: object, work: Callable[[], None]) -> None:
        try:
            if not self._halt.is_set():
                self.call(name, work)
        finally:
            with self._changed:
                self._free_slots += 1
                self._pending -= 1
                self._changed.notify_all()

    def _fail(self, failure: Failure) -> None:
        with self._changed:
            self._failures.append(failure)
        if self._stops_at_failure:
            self.halt()

    def halt(self) -> None:
        """Set ``halt`` and wake whoever waits."""
        self._halt.set()
        with self._changed:
            self._changed.notify_all()
