"""Runs one service as a child process.

It logs to a file, not through a pipe: if the supervisor were killed, the pipe
would break under the service and everything that it started.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

_PARENT_DEATH = Path(__file__).with_name("parent_death.py")
_LARGEST_LOG = 20 * 1024 * 1024  # bytes; one older file of that size is kept
_TAIL = 16 * 1024  # bytes


@dataclass(slots=True)
class Service:
    """One service of TESK, running or not.

    Attributes:
        module: Its Python module, e.g. ``tesk_api``.
        log: File to which its output is appended; None for our own stderr.
        lock: Descriptor that it inherits (see ``StateHome``).
        arguments: Of its program.
        is_optional: The server does without it if it does not run.
    """

    module: str
    environ: Mapping[str, str]
    log: Path | None
    lock: int
    arguments: tuple[str, ...] = ()
    is_optional: bool = False
    _process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        """Name for people, e.g. ``api``."""
        return self.module.removeprefix("tesk_")

    def start(self) -> None:
        """Start it; call from the main thread.

        Its death signal comes when the thread that started it ends.
        """
        output = (
            sys.stderr.fileno()
            if self.log is None
            else os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        )
        wrapper = ["-I", "-S", str(_PARENT_DEATH), str(os.getpid())]
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and modules
                [sys.executable, *wrapper, self.module, *self.arguments],
                env=dict(self.environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(self.lock,),
                # Ctrl-C is for the supervisor, which stops services in order.
                process_group=0,
            )
        finally:
            if self.log is not None:
                os.close(output)

    def exit_code(self) -> int | None:
        """Return its exit code, negative for a signal; None while it runs."""
        return None if self._process is None else self._process.poll()

    def stop(self, grace: timedelta) -> None:
        """Terminate it, and kill it after ``grace``."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(grace.total_seconds())
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def last_log_line(self) -> str:
        """Return the last line of its log; empty if that is not known."""
        if self.log is None:
            return ""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - _TAIL))
                text = file.read().decode("utf-8", "replace")
        except OSError:
            return ""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return lines[-1] if lines else ""

    def trim_log(self) -> None:
        """Rotate a log that has grown too large.

        The file is copied and truncated, since the service keeps it open for append.
        """
        if self.log is None or not self.log.exists():
            return
        if self.log.stat().st_size > _LARGEST_LOG:
            shutil.copyfile(self.log, self.log.with_suffix(".log.1"))
            os.truncate(self.log, 0)
