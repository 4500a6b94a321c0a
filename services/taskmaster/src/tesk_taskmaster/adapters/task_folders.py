"""Paths of the files of the local runtime; see docs/architecture.md."""

import errno
import os
import re
from dataclasses import dataclass
from pathlib import Path

from tesk_model.names import Attempt
from tesk_model.task import TaskId

_ATTEMPT_NAME = re.compile(r"tesk-(?P<task>[a-z0-9-]+)-a(?P<number>[0-9]+)")
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

    def attempts(self) -> list[Attempt]:
        """Attempts of which there is a folder."""
        try:
            names = os.listdir(self.home / "tasks")  # noqa: PTH208 - names are wanted
        except FileNotFoundError:
            return []
        return sorted(
            Attempt(TaskId(match["task"]), int(match["number"]))
            for match in map(_ATTEMPT_NAME.fullmatch, names)
            if match
        )


def is_transient(error: OSError) -> bool:
    """Tell whether an error for lack of memory or descriptors may pass."""
    return error.errno in _TRANSIENT
