"""Lets a few do dear work at once, and keeps the others from piling up.

Checking a password costs 50 ms and more by design. Who sends wrong ones
without end would otherwise hold all threads, and nobody else be served.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from tesk_model.errors import ResourceExhaustedError

_COME_BACK = timedelta(seconds=1)


class Turnstile:
    """A few inside, some waiting for a short while, the others sent away."""

    def __init__(self, *, inside: int, waiting: int, patience: timedelta) -> None:
        """Begin empty.

        Args:
            inside: Most who work at once.
            waiting: Most who wait for their turn; each holds a thread.
            patience: How long they wait at most.
        """
        self._inside = threading.BoundedSemaphore(inside)
        self._places = threading.BoundedSemaphore(inside + waiting)
        self._patience = patience.total_seconds()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Do the block when it is our turn.

        Raises:
            ResourceExhaustedError: Too many are here, or it took too long.
        """
        with _held(self._places, 0), _held(self._inside, self._patience):
            yield


@contextmanager
def _held(semaphore: threading.BoundedSemaphore, timeout: float) -> Iterator[None]:
    if not semaphore.acquire(timeout=timeout):
        raise ResourceExhaustedError(
            "too many passwords are being checked; try again later", _COME_BACK
        )
    try:
        yield
    finally:
        semaphore.release()
