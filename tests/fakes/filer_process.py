"""A real filer process with the environment that a taskmaster gives it."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fakes.filer_scheduler import ATTEMPT, TOKEN, TransferRecord


@dataclass(frozen=True)
class FilerRun:
    """How to start a filer.

    Attributes:
        folder: For its token and its volume, which is ``folder/volume``.
        roots: Folders that file urls may use.
        environ: Variables besides the usual.
        launcher: Command that runs the one that is appended to it.
    """

    folder: Path
    roots: tuple[Path, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    launcher: tuple[str, ...] = ()

    @property
    def volume(self) -> Path:
        """The task volume."""
        volume = self.folder / "volume"
        volume.mkdir(exist_ok=True)
        return volume

    def start(
        self, record: TransferRecord, direction: str, inherited: Sequence[int] = ()
    ) -> "subprocess.Popen[str]":
        """Start a filer; read its stderr to the end."""
        token = self.folder / "token"
        token.write_text(TOKEN)
        environ = {
            "PATH": os.environ["PATH"],
            "TESK_FILER_TASK": ATTEMPT.task_id,
            "TESK_FILER_ATTEMPT": str(ATTEMPT.number),
            "TESK_FILER_DIRECTION": direction,
            "TESK_FILER_VOLUME": str(self.volume),
            "TESK_FILER_TOKEN_FILE": str(token),
            "TESK_FILER_BACKOFF": "0.01",
            "TESK_GRPC_SCHEDULER": record.address,
            "TESK_FILE_ROOTS": ":".join(str(root) for root in self.roots),
            **self.environ,
        }
        return subprocess.Popen(
            [*self.launcher, sys.executable, "-W", "error", "-m", "tesk_filer"],
            env=environ,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=inherited,
        )

    def run(self, record: TransferRecord, direction: str) -> tuple[int, str]:
        """Run a filer; return its exit code and what it logged."""
        with self.start(record, direction) as process:
            _, log = process.communicate(timeout=60)
            return process.returncode, log
