"""Limits the expansion of directories, patterns and listings.

Executors and owners of storages decide on the number of files, their depth and the
links. Links multiply: two to the same folder in each of 28 folders are 2^28 paths to
one file.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from tesk_filer.domain.tree import Tree

# Links of many samples to one folder of references are common; more paths to one
# folder come from links below links.
_MAX_PATHS = 1000
# As many times as files are taken, names are looked at: a pattern need not match them.
_LOOKS = 10


def describe_excess(files: int) -> str:
    """Return what is wrong with more than so many files and directories."""
    return (
        f"is more than {files:,} files and directories; take fewer, or put them into an "
        "archive (filer.max_files)"
    )


class TooLargeError(Exception):
    """A limit is exceeded; the message says what would help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of a transfer.

    Attributes:
        files: Files and directories of one transfer.
        depth: Directories within each other.
        size: Bytes of one file.
    """

    files: int = 1_000_000
    depth: int = 256
    size: int = 5 * 2**40


class Expansion:
    """Counts the files of a transfer, or of one part of it, against its limits."""

    def __init__(self, limits: Limits) -> None:
        """Begin at zero."""
        self._limits = limits
        self._taken = Counter[str]()
        self._paths = Counter[Hashable]()
        self._looked = 0

    def part(self) -> "Expansion":
        """Return the expansion of one input or output; it counts into this one, too."""
        part = Expansion(self._limits)
        part._taken = self._taken
        return part

    def take(self, number: int = 1) -> None:
        """Count files or directories.

        Raises:
            TooLargeError: There are too many.
        """
        self._taken[""] += number
        self.check()

    @property
    def left(self) -> int:
        """Number of files or directories that may still be taken."""
        return max(self._limits.files - self._taken[""], 0)

    def check(self, number: int = 0) -> None:
        """Check that so many may still be taken.

        Raises:
            TooLargeError: They are too many.
        """
        if self._taken[""] + number > self._limits.files:
            raise TooLargeError(describe_excess(self._limits.files))

    def names(self, tree: Tree, path: str) -> Sequence[str]:
        """Return the names in a directory, all of which may be taken.

        Raises:
            TooLargeError: There are too many; they were not all read.
        """
        names = tree.names(path, self.left + 1)
        self.check(len(names))
        self._looked += len(names)
        limit = self._limits.files * _LOOKS
        if self._looked > limit:
            message = (
                f"makes the filer look at more than {limit:,} names; name a directory "
                "that holds fewer others"
            )
            raise TooLargeError(message)
        return names

    def enter(self, directory: Hashable, depth: int) -> None:
        """Count a directory that is entered.

        Args:
            directory: Its identity, the same for all its paths.
            depth: Number of directories above it.

        Raises:
            TooLargeError: It is too deep, or links lead there by too many paths.
        """
        self.take()
        self.check_depth(depth)
        self._paths[directory] += 1
        if self._paths[directory] > _MAX_PATHS:
            message = (
                f"has links that lead to one directory by more than {_MAX_PATHS} paths"
            )
            raise TooLargeError(message)

    def check_depth(self, depth: int) -> None:
        """Check the number of directories above a file.

        Raises:
            TooLargeError: There are too many.
        """
        if depth > self._limits.depth:
            message = (
                f"is nested deeper than {self._limits.depth:,} directories "
                "(filer.max_depth)"
            )
            raise TooLargeError(message)
