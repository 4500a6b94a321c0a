"""What a command left outside every mount, taken into the task volume.

Both trees hold what a stranger made: they are walked by descriptor, links stay
links, also those that lead to what is taken. Files are moved, not copied, so
that size costs nothing; what is taken already is not there a second time, so
that collecting again does no harm.
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

_Way = tuple[str, Iterable[str]]
"""A path without links, and the links by which it is reached."""


@dataclass(frozen=True, slots=True)
class Collecting:
    """Moves files between two trees of one file system.

    Attributes:
        spared: Paths in ``source`` that are not the command's work: what of
            this machine and of the volume is shown there.
    """

    source: RootedFiles
    target: RootedFiles
    spared: Collection[str]

    def take(self, pattern: str) -> None:
        """Move what matches a pattern, which may have ``**``; nothing may.

        Raises:
            OSError: Something that is there cannot be moved.
        """
        segments = pattern.strip("/").split("/")
        one = self._deep_ways if crosses_folders(pattern) else self._ways
        for path, links in one(segments, self.directory(pattern)):
            for link in links:
                with contextlib.suppress(FileNotFoundError):  # it was taken along
                    self.target.make_link(link, self.source.read_link(link))
            self._take(path)

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

    def _ways(self, segments: Sequence[str], _base: str) -> Iterator[_Way]:
        """Yield what matches, and the links that lead to each.

        By its path without links, once: links may lead round, and what is moved
        is not there again. With the links beside it, it is seen by all its names.
        """
        found: dict[str, dict[str, None]] = {"/": {}}
        for position, wanted in enumerate(map(compile_name, segments)):
            is_last = position == len(segments) - 1
            level, found = found, {}
            for directory, links in level.items():
                for name in filter(wanted, self._names(directory)):
                    path = f"{directory.rstrip('/')}/{name}"
                    place: _Way | None = (path, ()) if is_last else self._resolve(path)
                    if place is not None:
                        known = found.setdefault(place[0], {})
                        known.update(links)
                        known.update(dict.fromkeys(place[1]))
        yield from found.items()

    def _deep_ways(self, segments: Sequence[str], base: str) -> Iterator[_Way]:
        place = self._resolve(base)
        if place is not None:
            deep = DeepPattern("/".join(segments[base.rstrip("/").count("/") :]))
            for path in self._matches_deep(place[0].rstrip("/"), deep):
                yield path, place[1]

    def _resolve(self, path: str) -> _Way | None:
        try:
            return self.source.resolve(path)
        except OSError as error:
            if error.errno in _NO_DIRECTORY:
                return None
            raise

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

    def _take(self, path: str) -> None:
        """Move ``path``, or what is in it where both trees have it."""
        elsewhere = self._merge(parent(path), [path.rpartition("/")[2]])
        while elsewhere:
            path = elsewhere.pop()
            elsewhere += self._merge(path, self.source.names(path))

    def _merge(self, top: str, names: Sequence[str]) -> list[str]:
        """Move entries of a directory of the source to the same of the target.

        Directories that both have are walked at once, a step at a time: a
        stranger decides how deep they are.

        Returns:
            Directories that lie elsewhere in the target, through a link.
        """
        elsewhere: list[str] = []
        spared = [each for each in self.spared if is_within(each, top)]
        try:
            source = TreeWalker(self.source.open_directory(top))
        except FileNotFoundError:
            return elsewhere  # it was taken along with something before
        target = TreeWalker(self.target.open_directory(top, create=True))
        try:
            levels = [list(reversed(names))]
            while levels:
                if not levels[-1]:
                    levels.pop()
                    _leave(source, target)
                    continue
                name = levels[-1].pop()
                path = _path(top, source, name) if spared else ""
                if path in spared or _is_moved(
                    name,
                    source,
                    target,
                    is_opened=any(is_within(each, path) for each in spared),
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
    """Go into a directory of both trees; False: it is a link in the target."""
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
    """Move ``name`` if that is how it goes; False: its entries, one by one."""
    try:
        kind = os.stat(name, dir_fd=source.descriptor, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return True  # along with something before
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
