"""Paths of the files of the local runtime; see docs/architecture.md."""

import errno
from dataclasses import dataclass
from pathlib import Path

from tesk_model.names import Attempt

_TRANSIENT = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE})


@dataclass(frozen=True, slots=True)
class TaskFolders:
    """Folders of attempts below ``TESK_HOME``.

    Attributes:
        home: ``TESK_HOME``, absolute.
        boot: Boot id of the machine.
    """

    home: Path
    boot: str = ""

    def attempt(self, attempt: Attempt) -> Path:
        """Folder of everything of an attempt."""
        return self.home / "tasks" / attempt.name

    @property
    def leftovers(self) -> Path:
        """Folder for files that could not be removed."""
        return self.home / "leftovers"

    def volume(self, attempt: Attempt) -> Path:
        """Root of the task volume."""
        return self.attempt(attempt) / "volume"

    def step(self, attempt: Attempt, step: str) -> Path:
        """Folder of one step's own files."""
        return self.attempt(attempt) / "steps" / step

    def steps(self, attempt: Attempt) -> list[Path]:
        """Folders of all steps that were started."""
        try:
            return sorted((self.attempt(attempt) / "steps").iterdir())
        except FileNotFoundError:
            return []


def is_transient(error: OSError) -> bool:
    """Tell whether an error for lack of memory or descriptors may pass."""
    return error.errno in _TRANSIENT
