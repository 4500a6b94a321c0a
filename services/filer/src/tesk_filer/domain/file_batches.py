"""How many small files are moved together.

A batch keeps one thread busy, its first file waits for the last one, and its folders may
be open until it ends: so it is bounded in files, bytes and folders.
"""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

F = TypeVar("F")

_MAX_BYTES = 16 * 1024 * 1024
_MAX_FOLDERS = 16  # open files of a process are limited, and many batches move at once


@dataclass(slots=True)
class FileBatch(Generic[F]):
    """Files that are moved together, up to ``most``."""

    most: int
    files: list[F] = field(default_factory=list)
    _bytes: int = 0
    _folders: set[str] = field(default_factory=set)

    def add(self, file: F, *, size: int, path: str) -> None:
        """Add a file of so many bytes; ``path`` is where it goes."""
        self.files.append(file)
        self._bytes += size
        self._folders.add(path.rpartition("/")[0])

    @property
    def is_full(self) -> bool:
        """Whether no file should be added."""
        return (
            len(self.files) >= self.most
            or self._bytes >= _MAX_BYTES
            or len(self._folders) >= _MAX_FOLDERS
        )
