"""A lock that the kernel drops when its holder dies (flock).

It makes sure that one process has a name, a folder or an attempt, whatever else
is said; a successor never waits for the dead. Only who is given the descriptor
inherits it.
"""

import fcntl
import os
import threading
from collections.abc import Callable
from pathlib import Path

_RETRY_SECONDS = 0.1


class FileLock:
    """A lock on one file, which others may delete."""

    def __init__(self, path: Path) -> None:
        """Address the lock at ``path``, whose folder exists when it is taken."""
        self._path = path
        self._descriptor: int | None = None

    def acquire(self, waiting: Callable[[], None]) -> None:
        """Take the lock; wait while another living process has it.

        ``waiting`` is called again and again while that is so; what it raises
        ends the waiting.

        Raises:
            OSError: The folder is gone.
        """
        pause = threading.Event()
        while not self.try_acquire():
            waiting()
            pause.wait(_RETRY_SECONDS)

    def try_acquire(self) -> bool:
        """Take the lock if it is free; tell whether we have it."""
        if self._descriptor is not None:
            return True
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        if not self._is_current(descriptor):  # deleted before we had it
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    @property
    def descriptor(self) -> int:
        """Of the file of the lock that we have; whoever inherits it has it, too."""
        if self._descriptor is None:
            msg = "the lock is not held"
            raise RuntimeError(msg)
        return self._descriptor

    def write(self, text: str) -> None:
        """Put ``text`` into the file of the lock that we have."""
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, text.encode(), 0)

    def release(self) -> None:
        """Give the lock up; nothing happens if it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._path.stat())
        except FileNotFoundError:
            return False


def is_locked(descriptor: int) -> bool:
    """Tell whether another process has the lock of an open file."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def wait_unlocked(descriptor: int) -> None:
    """Wait until no process has the lock of an open file."""
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    fcntl.flock(descriptor, fcntl.LOCK_UN)
