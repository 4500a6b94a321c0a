"""Reads and writes the files of a run: report, stop mark, redirected streams.

The volume is untrusted: an executor may have made any link in it, so no file is
opened through a link that leads out of it.
"""

import logging
import os
import stat
import time
from pathlib import Path

from tesk_runtime.rooted_files import RootedFiles
from tesk_taskmaster.adapters.container.retries import RETRY_INTERVAL, pause
from tesk_taskmaster.adapters.launcher_report import (
    REPORT_BYTES,
    parse_report,
)
from tesk_taskmaster.domain.executor_run import ExecutorRun
from tesk_taskmaster.domain.tails import TAIL_BYTES
from tesk_taskmaster.domain.termination import InvalidReport, Report

_READ_TIMEOUT = 60.0  # seconds until an unreadable report counts as absent

_logger = logging.getLogger(__name__)


class RunFiles:
    """The files of one run."""

    def __init__(self, run: ExecutorRun) -> None:
        self._run = run
        self._report = run.folder / "report"
        self._stopped = run.folder / "stopped"

    def make_report(self) -> Path:
        """Make the report file, writable by the launcher under any uid."""
        self._report.touch()
        self._report.chmod(0o666)
        return self._report.resolve()

    def report(self) -> Report | InvalidReport | None:
        """Return the launcher's report, if there is one.

        Without it a computation may be lost, so a read that fails is tried again for
        a while: descriptors may be scarce, or the storage away.
        """
        deadline = time.monotonic() + _READ_TIMEOUT
        while True:
            try:
                with self._report.open("rb") as file:
                    return parse_report(file.read(REPORT_BYTES + 1))
            except (FileNotFoundError, PermissionError):
                return None  # a program may have denied the access, for ever
            except OSError as error:
                fields = {"file": str(self._report), "cause": str(error)}
                _logger.warning("report not read", extra=fields)
                if time.monotonic() > deadline:
                    return None
                pause(RETRY_INTERVAL)

    def report_age(self) -> float | None:
        """Return the age of the report in seconds; None if there is none."""
        try:
            status = self._report.stat()
        except OSError:
            return None
        return max(0.0, time.time() - status.st_mtime) if status.st_size else None

    def mark_stopped(self) -> None:
        """Record, durably over a crash, that TESK stopped the run."""
        if self._run.folder.is_dir():
            self._stopped.touch()

    @property
    def was_stopped(self) -> bool:
        """Tell whether TESK stopped the run."""
        return self._stopped.exists()

    def tail(self, path: str | None) -> bytes:
        """Return the last 64 KiB of a redirected stream; empty if it is missing."""
        if path is None:
            return b""
        try:
            file = RootedFiles(self._run.volume).open(path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            return b""
        try:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode):
                return b""
            return os.pread(file, TAIL_BYTES, max(0, status.st_size - TAIL_BYTES))
        finally:
            os.close(file)
