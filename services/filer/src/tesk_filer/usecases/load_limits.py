"""Holds transfers back: as hosts ask for it, and as the operator's limit says."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tesk_filer.domain.bandwidth import RateLimit
from tesk_filer.domain.congestion import Window
from tesk_filer.ports import HaltedError, StorageError


@dataclass(slots=True)
class _Host:
    window: Window
    active: int = 0


class HostLimits:
    """Limits the files and parts that move at once from each host."""

    def __init__(self, most: int, halt: threading.Event) -> None:
        """Begin with ``most`` for each host; ``halt`` ends all waits."""
        self._most = most
        self._halt = halt
        self._hosts: dict[str, _Host] = {}
        self._changed = threading.Condition()

    @contextmanager
    def request(self, host: str) -> Iterator[None]:
        """Move a file or part in the block; wait before it while there are too many.

        Args:
            host: Where it comes from, or goes to; "" is this machine.

        Raises:
            HaltedError: The transfer was stopped.
        """
        if not host:
            yield
            return
        decreases = self._enter(host)
        try:
            yield
        except StorageError as error:
            self._leave(host, complaint=decreases if error.throttled else None)
            raise
        except BaseException:
            self._leave(host)
            raise
        self._leave(host, success=True)

    def _enter(self, host: str) -> int:
        with self._changed:
            known = self._hosts.setdefault(host, _Host(Window.open(self._most)))
            while known.active >= known.window.limit:
                if self._halt.is_set():
                    raise HaltedError
                self._changed.wait(0.2)  # a signal sets halt without waking us
            known.active += 1
            return known.window.decreases

    def _leave(
        self, host: str, *, success: bool = False, complaint: int | None = None
    ) -> None:
        with self._changed:
            known = self._hosts[host]
            known.active -= 1
            if success:
                known.window = known.window.after_success()
            if complaint is not None:
                known.window = known.window.after_complaint(complaint)
            self._changed.notify_all()


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

        Raises:
            HaltedError: The transfer was stopped.
        """
        if self._limit is None:
            return
        with self._lock:
            seconds = self._limit.take(size, self._now())
        if seconds and self._halt.wait(seconds):
            raise HaltedError
