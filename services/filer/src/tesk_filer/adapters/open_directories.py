"""Keeps the directories that were used last open.

Thousands of files of one directory need one walk to it, not one each.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

_LIMIT = 64  # open directories; a process may have 1024 files


@dataclass(slots=True)
class _Open:
    descriptor: int
    users: int = 0
    is_kept: bool = True


class DirectoryUse:
    """A directory that stays open until the end of a block, which has its descriptor."""

    __slots__ = ("_directories", "_directory")

    def __init__(self, directories: "OpenDirectories", directory: _Open) -> None:
        self._directories = directories
        self._directory = directory

    def __enter__(self) -> int:
        return self._directory.descriptor

    def __exit__(self, *_: object) -> None:
        self._directories.give_back(self._directory)


class OpenDirectories:
    """Open directories by path, the last used ones; safe for many threads."""

    def __init__(self, limit: int = _LIMIT) -> None:
        """Keep up to ``limit`` open, beside those in use."""
        self._limit = limit
        self._lock = threading.Lock()
        self._opened: OrderedDict[str, _Open] = OrderedDict()

    def use(self, path: str, opened: Callable[[], int]) -> DirectoryUse:
        """Return what gives a descriptor of ``path`` to a block, which must follow.

        Args:
            path: Of the directory; what it leads to does not change meanwhile.
            opened: Opens it, if that must be; may raise OSError.
        """
        directory = self._take(path)
        if directory is None:
            directory = self._keep(path, opened())
        return DirectoryUse(self, directory)

    def close(self) -> None:
        """Close all that are not in use; the others when they are given back."""
        with self._lock:
            while self._opened:
                self._drop()

    def __del__(self) -> None:
        """Close what is open."""
        self.close()

    def give_back(self, directory: _Open) -> None:
        """Hear that a directory is not used any more; ``use`` does it."""
        with self._lock:
            directory.users -= 1
            if not directory.is_kept and not directory.users:
                os.close(directory.descriptor)

    def _take(self, path: str) -> _Open | None:
        with self._lock:
            found = self._opened.get(path)
            if found is not None:
                found.users += 1
                self._opened.move_to_end(path)
            return found

    def _keep(self, path: str, descriptor: int) -> _Open:
        made = _Open(descriptor, users=1)
        with self._lock:
            if path in self._opened:
                made.is_kept = False  # another thread was faster
                return made
            self._opened[path] = made
            if len(self._opened) > self._limit:
                self._drop()
        return made

    def _drop(self) -> None:
        _, oldest = self._opened.popitem(last=False)
        oldest.is_kept = False
        if not oldest.users:
            os.close(oldest.descriptor)
