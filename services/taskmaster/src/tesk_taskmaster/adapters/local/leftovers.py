"""Retries the removal of folders of ended attempts.

A file may be immutable, a mount in the way, or the engine that could remove a
file of another user down. Such a folder is moved apart, so that no attempt waits
for it; its removal is tried again when a taskmaster starts and every hour, by one
taskmaster of the machine at a time.
"""

import logging
import os
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from tesk_runtime.clock import SystemClock
from tesk_runtime.file_lock import FileLock
from tesk_taskmaster.ports import StepFailedError

_RETRY_INTERVAL = timedelta(hours=1)
_LOCK = "lock"

_logger = logging.getLogger(__name__)


class Leftovers:
    """The folders that could not be removed."""

    def __init__(self, folder: Path, delete_folder: Callable[[Path], None]) -> None:
        """Keep them in ``folder``, deleted by ``delete_folder``; see ``Engine.delete_folder``."""
        self._folder = folder
        self._delete_folder = delete_folder
        self._clock = SystemClock()

    def add(self, path: Path) -> None:
        """Move the folder of an attempt here; a missing one is no error."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        target = self._folder / path.name
        try:
            path.rename(target)
            os.utime(target)  # the time of the last try
        except FileNotFoundError:
            return
        except OSError as error:
            _logger.warning(
                "leftover not moved", extra={"path": str(path), "error": str(error)}
            )

    def run(self, stop: threading.Event) -> None:
        """Sweep every hour until ``stop``."""
        while True:
            self.sweep()
            if stop.wait(_RETRY_INTERVAL.total_seconds()):
                return

    def sweep(self) -> None:
        """Retry the folders that are due, unless another taskmaster does."""
        if not self._folder.is_dir():
            return
        lock = FileLock(self._folder / _LOCK)
        if not lock.try_acquire():
            return
        try:
            for path in sorted(self._folder.iterdir()):
                if path.is_dir() and self._is_due(path):
                    self._try(path)
        finally:
            lock.release()

    def _is_due(self, path: Path) -> bool:
        tried = path.stat().st_mtime
        return self._clock.now().timestamp() - tried >= _RETRY_INTERVAL.total_seconds()

    def _try(self, path: Path) -> None:
        try:
            self._delete_folder(path)
        except (OSError, StepFailedError) as error:
            os.utime(path)
            _logger.warning(
                "leftover not removed", extra={"path": str(path), "error": str(error)}
            )
        else:
            _logger.info("leftover removed", extra={"path": str(path)})
