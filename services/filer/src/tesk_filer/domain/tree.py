"""The port by which the planning of uploads reads the task volume."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Kind(StrEnum):
    """Kind of a file after its links are followed."""

    FILE = "file"
    DIRECTORY = "directory"
    SPECIAL = "special file (pipe, device or socket)"


@dataclass(frozen=True, slots=True)
class Node:
    """A file or directory; all paths to it have the same ``identity``.

    Attributes:
        size: Bytes of a file.
    """

    kind: Kind
    identity: tuple[int, int]
    size: int = 0


class Tree(Protocol):
    """Reads a tree; links are followed and never lead out of it."""

    def node(self, path: str) -> Node | None:
        """Return the node at ``path``; None if there is none, or a broken link."""

    def is_link(self, path: str) -> bool:
        """Tell whether ``path`` itself is a link."""

    def names(self, path: str, most: int) -> Sequence[str]:
        """Return the names in a directory, sorted; none if it is not a directory.

        At least ``most`` of them if it has more.
        """
