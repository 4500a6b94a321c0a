"""Moves outputs that a command wrote outside every mount into the task volume.

Both trees are untrusted: they are walked by descriptor, and links stay links, also
those that lead to an output. Files are moved, not copied, so that size does not
matter; collecting again does no harm, since moved files are gone from the source.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from tesk_model.paths import is_within, parent
from tesk_model.patterns import crosses_folders, literal_name
from tesk_runtime.rooted_files import RootedFiles, make_directory
from tesk_runtime.tree_walker import TreeWalker
from tesk_runtime.wildcards import DeepPattern, compile_name

_EXISTS = frozenset(
    {errno.EEXIST, errno.ENOTEMPTY, errno.EISDIR, errno.ENOTDIR, errno.EXDEV}
)
_NO_DIRECTORY = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})

_Match = tuple[str, Iterable[str]]
"""A path without links, and the links by which it was reached."""


@dataclass(frozen=True, slots=True)
class OutputCollector:
    """Moves files between two trees of one file system.

    Attributes:
        excluded: Paths in ``source`` that the command did not make: those of this
            machine and of the volume.
    """

    source: RootedFiles
    target: RootedFiles
    excluded: Collection[str]

    def collect(self, pattern: str) -> None:
        """Move what matches a pattern, which may contain ``**``.

        Raises:
            OSError: A match cannot be moved.
        """
        segments = pattern.strip("/").split("/")
        find = self._deep_matches if crosses_folders(pattern) else self._matches
        for path, links in find(segments, self.directory(pattern)):
            for link in links:
                with contextlib.suppress(FileNotFoundError):  # already moved
                    self.target.make_link(link, self.source.read_link(link))
            self._move(path)

    @staticmethod
    def directory(pattern: str) -> str:
        """Return the directory above the first wildcard, or above the name."""
        path = ""
        for segment in pattern.strip("/").split("/")[:-1]:
            name = literal_name(segment)
            if name is None:
                break
            path += "/" + name
        return path or "/"

    def _matches(self, segments: Sequence[str], _base: str) -> Iterator[_Match]:
        """Yield each match once, by its path without links, and the links to it.

        Links may form cycles. The links are made in the target as well, so that an
        output is found by all its names.
        """
        found: dict[str, dict[str, None]] = {"/": {}}
        for position, wanted in enumerate(map(compile_name, segments)):
            is_last = position == len(segments) - 1
            level, found = found, {}
            for directory, links in level.items():
                for name in filter(wanted, self._names(directory)):
                    path = f"{directory.rstrip('/')}/{name}"
                    match: _Match | None = (
                        (path, ()) if is_last else self._resolve(path)
                    )
                    if match is not None:
                        known = found.setdefault(match[0], {})
                        known.update(links)
                        known.update(dict.fromkeys(match[1]))
        yield from found.items()

    def _deep_matches(self, segments: Sequence[str], base: str) -> Iterator[_Match]:
        match = self._resolve(base)
        if match is not None:
            deep = DeepPattern("/".join(segments[base.rstrip("/").count("/") :]))
            for path in self._walk(match[0].rstrip("/"), deep):
                yield path, match[1]

    def _resolve(self, path: str) -> _Match | None:
        try:
            return self.source.resolve(path)
        except OSError as error:
            if error.errno in _NO_DIRECTORY:
                return None
            raise

    def _walk(self, base: str, pattern: DeepPattern) -> Iterator[str]:
        """Yield the matches below ``base``, but none within a match."""
        pending = [base]
        while pending:
            directory = pending.pop()
            for name in self._names(directory or "/"):
                path = f"{directory}/{name}"
                if path in self.excluded:
                    continue
                if pattern.matches(path[len(base) + 1 :]):
                    yield path
                elif stat.S_ISDIR(self._kind(path)):
                    pending.append(path)

    def _names(self, directory: str) -> list[str]:
        try:
            return self.source.names(directory)
        except OSError as error:
            if error.errno in _NO_DIRECTORY:
                return []
            raise

    def _kind(self, path: str) -> int:
        directory = self.source.open_directory(parent(path))
        try:
            name = path.rpartition("/")[2]
            return os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
        finally:
            os.close(directory)

    def _move(self, path: str) -> None:
        """Move ``path``, or its content if both trees have it."""
        elsewhere = self._merge(parent(path), [path.rpartition("/")[2]])
        while elsewhere:
            path = elsewhere.pop()
            elsewhere += self._merge(path, self.source.names(path))

    def _merge(self, top: str, names: Sequence[str]) -> list[str]:
        """Move entries of a directory of the source to the same of the target.

        Directories of both trees are walked iteratively: they may be very deep.

        Returns:
            Directories that lie elsewhere in the target, through a link.
        """
        elsewhere: list[str] = []
        excluded = [each for each in self.excluded if is_within(each, top)]
        try:
            source = TreeWalker(self.source.open_directory(top))
        except FileNotFoundError:
            return elsewhere  # moved along with a parent
        target = TreeWalker(self.target.open_directory(top, create=True))
        try:
            levels = [list(reversed(names))]
            while levels:
                if not levels[-1]:
                    levels.pop()
                    _leave(source, target)
                    continue
                name = levels[-1].pop()
                path = _path(top, source, name) if excluded else ""
                if path in excluded or _is_moved(
                    name,
                    source,
                    target,
                    is_opened=any(is_within(each, path) for each in excluded),
                ):
                    continue
                if _enter(name, source, target):
                    entries = os.listdir(source.descriptor)  # noqa: PTH208 - pathlib takes no descriptor
                    levels.append(sorted(entries, reverse=True))
                else:
                    elsewhere.append(_path(top, source, name))
        finally:
            source.close()
            target.close()
        return elsewhere


def _path(top: str, source: TreeWalker, name: str) -> str:
    return "/".join([top.rstrip("/"), *source.names, name])


def _leave(source: TreeWalker, target: TreeWalker) -> None:
    if source.depth:
        source.leave()
        target.leave()


def _enter(name: str, source: TreeWalker, target: TreeWalker) -> bool:
    """Enter a directory of both trees; False if it is a link in the target."""
    make_directory(name, target.descriptor)
    try:
        target.enter(name)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            return False
        raise
    source.enter(name)
    return True


def _is_moved(
    name: str, source: TreeWalker, target: TreeWalker, *, is_opened: bool
) -> bool:
    """Move ``name`` as a whole; False if its entries must be moved one by one."""
    try:
        kind = os.stat(name, dir_fd=source.descriptor, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return True  # moved along with a parent
    if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind) or stat.S_ISLNK(kind)):
        return True
    if is_opened:
        return False
    try:
        os.rename(
            name, name, src_dir_fd=source.descriptor, dst_dir_fd=target.descriptor
        )
    except OSError as error:
        if error.errno not in _EXISTS or not stat.S_ISDIR(kind):
            raise
        return False
    return True
