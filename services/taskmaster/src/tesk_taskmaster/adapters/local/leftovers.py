"""What could not be removed of attempts that are over, kept apart and tried again.

A file may be immutable, a mount in the way, or the engine that could remove a
file of another user down. Such a folder leaves the attempts, so that nobody
waits for it, and is tried again when a taskmaster starts and every hour, by
one taskmaster of the machine at a time. How much disk it holds is in the log.
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

_EVERY = timedelta(hours=1)
_LOCK = "lock"

_logger = logging.getLogger(__name__)


class Leftovers:
    """The folders that could not be removed."""

    def __init__(self, folder: Path, clean: Callable[[Path], None]) -> None:
        """Keep them in ``folder``, and let ``clean`` try; see ``Engine.delete_folder``."""
        self._folder = folder
        self._clean = clean
        self._clock = SystemClock()

    def take(self, path: Path) -> None:
        """Take over the folder of an attempt; one that is gone is no error."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept = self._folder / path.name
        try:
            path.rename(kept)
            os.utime(kept)  # it was tried just now
        except FileNotFoundError:
            return
        except OSError as error:
            _logger.warning(
                "leftover not moved", extra={"path": str(path), "error": str(error)}
            )

    def run(self, stop: threading.Event) -> None:
        """Try again what is due, now and then, until ``stop``."""
        while True:
            self.sweep()
            if stop.wait(_EVERY.total_seconds()):
                return

    def sweep(self) -> None:
        """Try again what was not tried for an hour, unless somebody else does."""
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
        return self._clock.now().timestamp() - tried >= _EVERY.total_seconds()

    def _try(self, path: Path) -> None:
        try:
            self._clean(path)
        except (OSError, StepFailedError) as error:
            os.utime(path)
            _logger.warning(
                "leftover not removed", extra={"path": str(path), "error": str(error)}
            )
        else:
            _logger.info("leftover removed", extra={"path": str(path)})
