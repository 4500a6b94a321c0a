"""What one directory, pattern or listing may become: bounded in every way.

A command, or whoever fills a storage, decides how many files there are, how deep
they lie and where links lead. Links multiply: two to the same folder in each of
28 folders are 2^28 paths to one file.
"""

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass

# Links of many samples to one folder of references are common; that many ways to
# one folder are made by links below links.
_WAYS = 1000


class TooLargeError(Exception):
    """It is more than may be taken; the message says what would help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds.

    Attributes:
        files: Files and directories of one transfer.
        depth: Directories within each other.
        size: Bytes of one file.
    """

    files: int = 1_000_000
    depth: int = 256
    size: int = 5_000_000_000_000


class Expansion:
    """Counts what is taken of a transfer, or of one part of it."""

    def __init__(self, limits: Limits) -> None:
        """Begin with nothing taken."""
        self._limits = limits
        self._taken = Counter[str]()
        self._ways = Counter[Hashable]()

    def part(self) -> "Expansion":
        """Return the expansion of one input or output; files are counted here, too."""
        part = Expansion(self._limits)
        part._taken = self._taken
        return part

    def take(self, number: int = 1) -> None:
        """Take files or directories in.

        Raises:
            TooLargeError: They are too many.
        """
        self._taken[""] += number
        if self._taken[""] > self._limits.files:
            message = (
                f"is more than {self._limits.files:,} files and directories; take "
                "fewer, or put them into an archive (filer.max_files)"
            )
            raise TooLargeError(message)

    def enter(self, directory: Hashable, depth: int) -> None:
        """Go into a directory.

        Args:
            directory: What tells it from all others, by whatever path.
            depth: How many directories it lies in.

        Raises:
            TooLargeError: It lies too deep, or links lead there in too many ways.
        """
        self.take()
        self.check_depth(depth)
        self._ways[directory] += 1
        if self._ways[directory] > _WAYS:
            message = f"has links that lead to one directory in more than {_WAYS} ways"
            raise TooLargeError(message)

    def check_depth(self, depth: int) -> None:
        """Refuse what lies in too many directories.

        Raises:
            TooLargeError: It does.
        """
        if depth > self._limits.depth:
            message = (
                f"is nested deeper than {self._limits.depth:,} directories "
                "(filer.max_depth)"
            )
            raise TooLargeError(message)
