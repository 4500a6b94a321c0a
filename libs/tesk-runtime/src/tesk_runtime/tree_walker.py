"""Walks untrusted trees of any depth with one open directory.

A program may nest thousands of directories: more than a path, the stack or the open
files of a process allow. So a walk keeps one directory open and goes back up by
``..``, which must lead to the directory it came from: a tree that is moved meanwhile
makes the walk fail, never escape. Each step costs the same at any depth.
"""

import errno
import os
from collections.abc import Sequence
from typing import NamedTuple

DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# For directories on the way to a path: needs the right to search only.
PATH_FLAGS = DIRECTORY_FLAGS | getattr(os, "O_PATH", 0)  # which only Linux has


class Identity(NamedTuple):
    """Identity of a directory, whatever its path."""

    device: int
    inode: int


class TreeWalker:
    """Holds one open directory below a root, and the way back to the root.

    Attributes:
        descriptor: Of the present directory; closed by any step.
    """

    def __init__(self, root: int, *, flags: int = DIRECTORY_FLAGS) -> None:
        """Begin at an open directory, which is closed by ``close``.

        Args:
            root: Its descriptor; owned by the walker from now on.
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
        """Return the identity of the present directory."""
        status = os.fstat(self.descriptor)
        return Identity(status.st_dev, status.st_ino)

    def enter(self, name: str, *, flags: int | None = None) -> None:
        """Go into the directory ``name``, which is not a link.

        Raises:
            OSError: As ``os.open``; the walk stays where it was.
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
                meanwhile. The walk stays where it was.
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
        """Close the directory; the walk is over."""
        os.close(self.descriptor)

    def _move_to(self, descriptor: int) -> None:
        os.close(self.descriptor)
        self.descriptor = descriptor
