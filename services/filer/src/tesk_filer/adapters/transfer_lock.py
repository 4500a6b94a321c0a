"""Keeps two filers from moving the files of one transfer at once.

A filer may be started while the last one of its attempt still works: on a node that was
given up, or slow to stop. Both would write the same temporary files. The kernel, or the
server of a network file system, releases the lock of a process that died.
"""

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from tesk_filer.adapters.own_folder import open_own_file
from tesk_filer.usecases.transfer import ExitCode
from tesk_runtime.file_lock import try_lock

_RETRY_SECONDS = 0.1
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferLock:
    """The lock of one transfer.

    Attributes:
        folder: TESK's own of the task volume.
        name: Of the file that is locked.
        timeout: For the process that holds it.
        stop: Ends the wait.
        monotonic: Returns seconds that never go back.
    """

    folder: Path
    name: str
    timeout: timedelta
    stop: threading.Event
    monotonic: Callable[[], float]

    def run(self, work: Callable[[], ExitCode]) -> ExitCode:
        """Do ``work`` while no other process does; return its exit code.

        It is not begun if another process still works after the timeout, or ``stop`` is
        set while it does. Where nothing can be locked it is done without a lock.
        """
        try:
            descriptor = open_own_file(self.folder, self.name)
        except OSError:
            return work()  # what an executor put there, or a volume that is full
        try:
            refused = self._take(descriptor)
            return work() if refused is None else refused
        finally:
            os.close(descriptor)

    def _take(self, descriptor: int) -> ExitCode | None:
        """Take the lock; return the exit code if that fails."""
        since = self.monotonic()
        is_told = False
        while not _is_held(descriptor):
            if not is_told:
                _logger.warning("waits for another filer of this transfer")
                is_told = True
            if self.monotonic() - since >= self.timeout.total_seconds():
                _logger.error("another filer still moves the files of this transfer")
                return ExitCode.TEMPORARY_FAILURE
            if self.stop.wait(_RETRY_SECONDS):
                return ExitCode.STOPPED
        return None


def _is_held(descriptor: int) -> bool:
    try:
        return try_lock(descriptor)
    except OSError:
        return True  # this file system knows no locks
