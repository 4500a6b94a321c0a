"""Going down and up a stranger's tree, however deep, with one open directory.

A program may nest directories by the thousand, deeper than a path may be long,
than a function may call itself, and than a process may have files open. So a
walk keeps one directory open and goes back up by ``..``, which must lead to the
directory it came from: a tree that is moved meanwhile makes the walk fail,
never escape. Each step costs the same at any depth.
"""

import errno
import os
from collections.abc import Sequence
from typing import NamedTuple

DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# On the way to something, where the right to search is enough.
PATH_FLAGS = DIRECTORY_FLAGS | getattr(os, "O_PATH", 0)  # which only Linux has


class Identity(NamedTuple):
    """What a directory is, whatever it is called."""

    device: int
    inode: int


class TreeWalker:
    """One open directory below a root, and the way back to the root.

    Attributes:
        descriptor: Of the directory where the walk is; closed by any step.
    """

    def __init__(self, root: int, *, flags: int = DIRECTORY_FLAGS) -> None:
        """Begin at an open directory, which is closed by ``close``.

        Args:
            root: Its descriptor; from now on ours.
            flags: How directories are opened: ``DIRECTORY_FLAGS`` or ``PATH_FLAGS``.
        """
        self.descriptor = root
        self._flags = flags
        self._names: list[str] = []
        self._above: list[Identity] = []

    @property
    def names(self) -> Sequence[str]:
        """The directories entered since the root."""
        return self._names

    @property
    def depth(self) -> int:
        """How many directories were entered since the root."""
        return len(self._names)

    def identity(self) -> Identity:
        """Tell which directory this is."""
        status = os.fstat(self.descriptor)
        return Identity(status.st_dev, status.st_ino)

    def enter(self, name: str, *, flags: int | None = None) -> None:
        """Go into the directory ``name``, which is no link.

        Raises:
            OSError: As ``os.open``; the walk is where it was.
        """
        above = self.identity()
        below = os.open(
            name, self._flags if flags is None else flags, dir_fd=self.descriptor
        )
        self._move_to(below)
        self._names.append(name)
        self._above.append(above)

    def leave(self) -> str:
        """Go back to the directory above; return the name of the one left.

        Raises:
            OSError: As ``os.open``; ESTALE if the directory was moved
                meanwhile. The walk is where it was.
        """
        above = os.open("..", self._flags, dir_fd=self.descriptor)
        status = os.fstat(above)
        if Identity(status.st_dev, status.st_ino) != self._above[-1]:
            os.close(above)
            raise OSError(errno.ESTALE, "was moved meanwhile", self._names[-1])
        self._move_to(above)
        self._above.pop()
        return self._names.pop()

    def leave_all(self) -> None:
        """Go back to the root; raises as ``leave``."""
        while self._names:
            self.leave()

    def close(self) -> None:
        """Close the directory; no more steps after this."""
        os.close(self.descriptor)

    def _move_to(self, descriptor: int) -> None:
        os.close(self.descriptor)
        self.descriptor = descriptor
