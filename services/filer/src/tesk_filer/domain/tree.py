"""The task volume as the rules for outputs see it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Kind(StrEnum):
    """What a path leads to once its links are followed."""

    FILE = "file"
    DIRECTORY = "directory"
    SPECIAL = "special file (pipe, device or socket)"


@dataclass(frozen=True, slots=True)
class Node:
    """What lies at a path; two paths to one thing have the same ``identity``.

    Attributes:
        size: Bytes of a file.
    """

    kind: Kind
    identity: tuple[int, int]
    size: int = 0


class Tree(Protocol):
    """Looks at a tree; links are followed and never lead out of it."""

    def node(self, path: str) -> Node | None:
        """Return what lies at ``path``; None if nothing, or a link to nothing."""

    def is_link(self, path: str) -> bool:
        """Tell whether ``path`` itself is a link."""

    def names(self, path: str) -> Sequence[str]:
        """Return the names in a directory, sorted; none if it is not one."""
