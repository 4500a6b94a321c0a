"""Files of a run on this machine: report, stop mark, redirected streams.

The volume is a stranger's: an executor may have left any link in it, so nothing
in it is opened through one that leads out.
"""

import os
import stat
import time
from pathlib import Path

from tesk_runtime.rooted_files import RootedFiles
from tesk_taskmaster.adapters.launcher_report import (
    REPORT_BYTES,
    parse_report,
)
from tesk_taskmaster.domain.tails import TAIL_BYTES
from tesk_taskmaster.domain.termination import InvalidReport, Report
from tesk_taskmaster.ports import ExecutorRun


class RunFiles:
    """The files of one run."""

    def __init__(self, run: ExecutorRun) -> None:
        self._run = run
        self._report = run.folder / "report"
        self._stopped = run.folder / "stopped"

    def make_report(self) -> Path:
        """Make the file that the launcher, as any user, reports into."""
        self._report.touch()
        self._report.chmod(0o666)
        return self._report.resolve()

    def report(self) -> Report | InvalidReport | None:
        """Return the launcher's report, if it is there."""
        try:
            with self._report.open("rb") as file:
                return parse_report(file.read(REPORT_BYTES + 1))
        except OSError:
            return None

    def report_age(self) -> float | None:
        """Return for how many seconds the report has been there; None if it is not."""
        try:
            status = self._report.stat()
        except OSError:
            return None
        return max(0.0, time.time() - status.st_mtime) if status.st_size else None

    def mark_stopped(self) -> None:
        """Remember, also over a crash, that TESK asked for the end."""
        if self._run.folder.is_dir():
            self._stopped.touch()

    @property
    def was_stopped(self) -> bool:
        """Tell whether TESK asked for the end."""
        return self._stopped.exists()

    def tail(self, path: str | None) -> bytes:
        """Return the last 64 KiB of a redirected stream; what is not there is empty."""
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
