"""Makes trees that are deeper than a path can be long."""

import os
from pathlib import Path

from tesk_runtime.tree_walker import DIRECTORY_FLAGS, TreeWalker


def make_deep(root: Path, depth: int, *, name: str = "d") -> None:
    """Make ``depth`` directories in one another below ``root``, and a file."""
    descent = TreeWalker(os.open(root, DIRECTORY_FLAGS))
    try:
        for _ in range(depth):
            os.mkdir(name, dir_fd=descent.descriptor)
            descent.enter(name)
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
        os.close(os.open("file", flags, dir_fd=descent.descriptor))
    finally:
        descent.close()
