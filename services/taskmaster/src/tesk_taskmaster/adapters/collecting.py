"""What a command left outside every mount, taken into the task volume.

Both trees hold what a stranger made: they are walked by descriptor, links stay
links. Files are moved, not copied, so that size costs nothing; what is taken
already is not there a second time, so that collecting again does no harm.
"""

import errno
import fnmatch
import glob
import os
import re
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from tesk_model.paths import is_within, parent
from tesk_model.patterns import DeepPattern, crosses_folders
from tesk_runtime.beneath import Beneath

_EXISTS = frozenset(
    {errno.EEXIST, errno.ENOTEMPTY, errno.EISDIR, errno.ENOTDIR, errno.EXDEV}
)


_ESCAPED = re.compile(r"\[([*?[])\]")  # as glob.escape writes them


@dataclass(frozen=True, slots=True)
class Collecting:
    """Moves files between two trees of one file system.

    Attributes:
        spared: Paths in ``source`` that are not the command's work: what of
            this machine and of the volume is shown there.
    """

    source: Beneath
    target: Beneath
    spared: Collection[str]

    def take(self, pattern: str) -> None:
        """Move what matches a glob(7) pattern, or one with ``**``; nothing may.

        Raises:
            OSError: Something that is there cannot be moved.
        """
        if crosses_folders(pattern):
            base = self.directory(pattern).rstrip("/")
            found = self._matches_deep(base, DeepPattern(pattern[len(base) + 1 :]))
        else:
            found = self._matches("/", pattern.strip("/").split("/"))
        for path in found:
            self._take(path)

    @staticmethod
    def directory(pattern: str) -> str:
        """Return the directory above the first wildcard, or above the name."""
        path = ""
        for segment in pattern.strip("/").split("/")[:-1]:
            plain = _ESCAPED.sub(r"\1", segment)
            if glob.has_magic(_ESCAPED.sub("", segment)):
                break
            path += "/" + plain
        return path or "/"

    def _matches(self, directory: str, segments: list[str]) -> Iterator[str]:
        wanted, *rest = segments
        for name in self._names(directory):
            if name.startswith(".") and not wanted.startswith("."):
                continue
            if fnmatch.fnmatchcase(name, wanted):
                path = f"{directory.rstrip('/')}/{name}"
                if rest:
                    yield from self._matches(path, rest)
                else:
                    yield path

    def _matches_deep(self, base: str, pattern: DeepPattern) -> Iterator[str]:
        """Find what matches below ``base``, but not within a match."""
        pending = [base]
        while pending:
            directory = pending.pop()
            for name in self._names(directory or "/"):
                path = f"{directory}/{name}"
                if path in self.spared:
                    continue
                if pattern.matches(path[len(base) + 1 :]):
                    yield path
                elif stat.S_ISDIR(self._kind(path)):
                    pending.append(path)

    def _names(self, directory: str) -> list[str]:
        try:
            return self.source.names(directory)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return []
            raise

    def _take(self, path: str) -> None:
        if path in self.spared:
            return
        kind = self._kind(path)
        if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind) or stat.S_ISLNK(kind)):
            return
        if any(is_within(spared, path) for spared in self.spared):
            self._take_entries(path)
            return
        try:
            self._move(path)
        except OSError as error:
            if error.errno not in _EXISTS or not stat.S_ISDIR(kind):
                raise
            self._take_entries(path)

    def _take_entries(self, path: str) -> None:
        os.close(self.target.open_directory(path, create=True))
        for name in self.source.names(path):
            self._take(f"{path}/{name}")

    def _kind(self, path: str) -> int:
        directory = self.source.open_directory(parent(path))
        try:
            name = path.rpartition("/")[2]
            return os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
        finally:
            os.close(directory)

    def _move(self, path: str) -> None:
        name = path.rpartition("/")[2]
        source = self.source.open_directory(parent(path))
        try:
            target = self.target.open_directory(parent(path), create=True)
            try:
                os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)
            finally:
                os.close(target)
        finally:
            os.close(source)
