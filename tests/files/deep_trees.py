"""Directories in directories, deeper than any path may be long."""

import os
from pathlib import Path

from tesk_runtime.descent import DIRECTORY, Descent


def make_deep(root: Path, depth: int, *, name: str = "d") -> None:
    """Make ``depth`` directories in one another below ``root``, and a file."""
    descent = Descent(os.open(root, DIRECTORY))
    try:
        for _ in range(depth):
            os.mkdir(name, dir_fd=descent.descriptor)
            descent.enter(name)
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
        os.close(os.open("file", flags, dir_fd=descent.descriptor))
    finally:
        descent.close()
