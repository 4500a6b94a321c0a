"""Only one taskmaster works on an attempt, even if the leases say otherwise.

The kernel drops the lock when its holder dies, so a successor never waits for
the dead. Steps do not inherit it.
"""

import fcntl
import os
import threading
from pathlib import Path

from tesk_taskmaster.ports import Say

_LOOK_AGAIN = 0.1


class AttemptLock:
    """The lock on the folder of one attempt."""

    def __init__(self, folder: Path) -> None:
        """Address the lock of ``folder``, which exists when it is acquired."""
        self._path = folder / "lock"
        self._descriptor: int | None = None

    def acquire(self, say: Say) -> None:
        """Take the lock; wait while another living taskmaster has it.

        Raises:
            OSError: The folder is gone.
        """
        pause = threading.Event()
        while self._descriptor is None:
            self._try_acquire()
            if self._descriptor is None:
                say("waiting for its former taskmaster to let go")
                pause.wait(_LOOK_AGAIN)

    def release(self) -> None:
        """Give the lock up; nothing happens if it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _try_acquire(self) -> None:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return
        if self._is_current(descriptor):
            self._descriptor = descriptor
        else:  # the former holder has deleted the folder meanwhile
            os.close(descriptor)

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._path.stat())
        except FileNotFoundError:
            return False
