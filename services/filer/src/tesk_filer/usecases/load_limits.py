"""Holds transfers back: as hosts ask for it, and as the operator's limit says."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tesk_filer.domain.bandwidth import RateLimit
from tesk_filer.domain.congestion import Window
from tesk_filer.domain.far_hosts import ResponseTimes
from tesk_filer.ports import HaltedError, StorageError


@dataclass(slots=True)
class _Host:
    """What moves from a host, or to it.

    Attributes:
        large: How many of the ``active`` may not be more than usual.
    """

    window: Window
    active: int = 0
    large: int = 0
    times: ResponseTimes = field(default_factory=ResponseTimes)


class HostLimits:
    """Limits the files and parts that move at once from each host."""

    def __init__(
        self,
        most: int,
        halt: threading.Event,
        *,
        now: Callable[[], float],
        grow: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Begin with ``most`` for each host.

        Args:
            most: Of all files, as far as those that are small do not ask for more.
            halt: Ends all waits.
            now: Seconds of a clock that never goes back.
            grow: Called when more than ``most`` should move at once.
        """
        self._most = most
        self._halt = halt
        self._now = now
        self._grow = grow
        self._hosts: dict[str, _Host] = {}
        self._changed = threading.Condition()

    @contextmanager
    def request(self, host: str, widening: int = 1) -> Iterator[Callable[[], None]]:
        """Move a file or part in the block; wait before it while there are too many.

        Yields what is to be called, if it can be told, when the host has responded.

        Args:
            host: Where it comes from, or goes to; "" is this machine.
            widening: See ``domain.far_hosts.widening_of``.

        Raises:
            HaltedError: The transfer was stopped.
        """
        if not host:
            yield _nothing
            return
        decreases = self._enter(host, is_large=widening == 1)
        began = self._now()

        def responded() -> None:
            if widening > 1:
                self._widen(host, self._now() - began, widening * self._most)

        try:
            yield responded
        except StorageError as error:
            complaint = decreases if error.throttled else None
            self._leave(host, is_large=widening == 1, complaint=complaint)
            raise
        except BaseException:
            self._leave(host, is_large=widening == 1)
            raise
        self._leave(host, is_large=widening == 1, success=True)

    def _enter(self, host: str, *, is_large: bool) -> int:
        with self._changed:
            known = self._hosts.setdefault(host, _Host(Window.open(self._most)))
            while known.active >= known.window.limit or (
                is_large and known.large >= self._most
            ):
                if self._halt.is_set():
                    raise HaltedError
                self._changed.wait(0.2)  # a signal sets halt without waking us
            known.active += 1
            known.large += is_large
            return known.window.decreases

    def _leave(
        self,
        host: str,
        *,
        is_large: bool,
        success: bool = False,
        complaint: int | None = None,
    ) -> None:
        with self._changed:
            known = self._hosts[host]
            known.active -= 1
            known.large -= is_large
            if success:
                known.window = known.window.after_success()
            if complaint is not None:
                known.window = known.window.after_complaint(complaint)
            self._changed.notify_all()

    def _widen(self, host: str, seconds: float, most: int) -> None:
        """Let up to ``most`` move at once if the host takes long for a response."""
        known = self._hosts[host]
        if not known.times.left:
            return
        with self._changed:
            wanted = known.times.add(seconds)
            if wanted is None:
                return
            known.window = known.window.widened(min(wanted, most))
            limit = known.window.limit
            self._changed.notify_all()
        self._grow(limit)


def _nothing() -> None:
    """Do nothing: this machine is not far away."""


class Bandwidth:
    """Limits the bytes per second of a transfer."""

    def __init__(
        self, bytes_per_second: int, now: Callable[[], float], halt: threading.Event
    ) -> None:
        """Let so many bytes pass in a second.

        Args:
            bytes_per_second: 0: as many as there are.
            now: Seconds of a clock that never goes back.
            halt: Ends all waits.
        """
        self._limit = RateLimit(bytes_per_second) if bytes_per_second else None
        self._now = now
        self._halt = halt
        self._lock = threading.Lock()

    def take(self, size: int) -> None:
        """Count bytes that have moved; wait until the next ones may.

        What moved none waits for nobody: it may be in the middle of a request.

        Raises:
            HaltedError: The transfer was stopped.
        """
        if self._limit is None or size <= 0:
            return
        with self._lock:
            seconds = self._limit.take(size, self._now())
        if seconds and self._halt.wait(seconds):
            raise HaltedError
