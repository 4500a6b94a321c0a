"""File locks that the kernel releases when their holder dies (flock).

They make sure that one process has a name, a folder or an attempt; a successor never
waits for a dead process. Child processes inherit a lock with its descriptor only.
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
        """Use the file at ``path``, whose folder exists when the lock is taken."""
        self._path = path
        self._descriptor: int | None = None

    def acquire(self, on_wait: Callable[[], None]) -> None:
        """Take the lock; wait while another living process has it.

        ``on_wait`` is called repeatedly meanwhile; what it raises ends the wait.

        Raises:
            OSError: The folder is gone.
        """
        pause = threading.Event()
        while not self.try_acquire():
            on_wait()
            pause.wait(_RETRY_SECONDS)

    def try_acquire(self) -> bool:
        """Take the lock if it is free; tell whether it is held."""
        if self._descriptor is not None:
            return True
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not try_lock(descriptor):
            os.close(descriptor)
            return False
        if not self._is_current(descriptor):  # deleted before it was locked
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    @property
    def descriptor(self) -> int:
        """Descriptor of the held lock; a process that inherits it holds the lock, too."""
        if self._descriptor is None:
            msg = "the lock is not held"
            raise RuntimeError(msg)
        return self._descriptor

    def write(self, text: str) -> None:
        """Replace the content of the file of the held lock."""
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, text.encode(), 0)

    def release(self) -> None:
        """Release the lock if it is held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._path.stat())
        except FileNotFoundError:
            return False


def try_lock(descriptor: int) -> bool:
    """Take the lock of an open file if it is free; tell whether it is held.

    Raises:
        OSError: The file system knows no locks.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_locked(descriptor: int) -> bool:
    """Tell whether another process holds the lock of an open file."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def wait_unlocked(descriptor: int) -> None:
    """Wait until no process holds the lock of an open file."""
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    fcntl.flock(descriptor, fcntl.LOCK_UN)
