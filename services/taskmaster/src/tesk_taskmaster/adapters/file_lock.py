"""A lock that the kernel drops when its holder dies.

It makes sure that one process has a name, or works on an attempt, whatever the
leases say; a successor never waits for the dead. Steps do not inherit it.
"""

import fcntl
import os
import threading
from pathlib import Path

from tesk_taskmaster.ports import Say

_LOOK_AGAIN = 0.1


class FileLock:
    """A lock on one file, which others may delete."""

    def __init__(self, path: Path) -> None:
        """Address the lock at ``path``, whose folder exists when it is taken."""
        self._path = path
        self._descriptor: int | None = None

    def acquire(self, say: Say) -> None:
        """Take the lock; wait while another living process has it.

        ``say`` is told again and again while that is so; what it raises ends
        the waiting.

        Raises:
            OSError: The folder is gone.
        """
        pause = threading.Event()
        while not self.try_acquire():
            say("waiting for its former taskmaster to let go")
            pause.wait(_LOOK_AGAIN)

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

    def write(self, text: str) -> None:
        """Put ``text`` into the file of the lock that we have."""
        if self._descriptor is None:
            msg = "the lock is not held"
            raise RuntimeError(msg)
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, text.encode(), 0)

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
