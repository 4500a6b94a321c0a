"""Opens files below a root without leaving it, whatever links an executor made.

Followed by the kernel, a link `/out/x -> /etc/shadow` would lead to the machine's
file. So every path is walked segment by segment with ``O_NOFOLLOW``, and links are
resolved here, as the executor saw them: inside the root (as ``RESOLVE_IN_ROOT`` of
``openat2`` does). A link that is exchanged meanwhile makes the walk fail, never escape.
"""

import errno
import os
import stat
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

from tesk_runtime.tree_walker import DIRECTORY_FLAGS, PATH_FLAGS, TreeWalker

_MAX_LINKS = 40  # as the kernel
_DOT_SEGMENTS = (".", "..")


class RootedFiles:
    """The tree below one directory; paths are absolute within it."""

    def __init__(self, root: Path, *, umask: int = 0) -> None:
        """Use ``root``, which exists and is trusted.

        Args:
            root: Top of the tree.
            umask: What new directories lack of the modes that let everybody write.
        """
        self._root = root
        self._mode = 0o777 & ~umask

    def open(self, path: str, flags: int, mode: int = 0o666) -> int:
        """Open ``path`` and return its file descriptor; links stay inside.

        With ``O_CREAT``, missing parent directories are made as well.

        Raises:
            OSError: As ``os.open``; ELOOP for too many links.
        """
        create = bool(flags & os.O_CREAT)
        with self._parent(path, create=create, follow_last=True) as (directory, name):
            return os.open(
                name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=directory
            )

    def open_directory(self, path: str, *, create: bool = False) -> int:
        """Open a directory; with ``create``, make it and its missing parents."""
        with self._parent(path, create=create, follow_last=True) as (directory, name):
            if create:
                make_directory(name, directory, self._mode)
            return os.open(name, DIRECTORY_FLAGS, dir_fd=directory)

    def open_parent(self, path: str, *, create: bool = False) -> int:
        """Open the directory that holds ``path``, to search it only.

        With ``create``, it and its missing parents are made.
        """
        with self._parent(path, create=create, follow_last=False) as (directory, _):
            return os.dup(directory)

    def stat(self, path: str) -> os.stat_result:
        """Return the status of ``path``; links are resolved inside the root."""
        with self._parent(path, create=False, follow_last=True) as (directory, name):
            return os.stat(name, dir_fd=directory, follow_symlinks=False)

    def resolve(self, path: str) -> tuple[str, Sequence[str]]:
        """Return ``path`` without links, and the links that lead there, as paths."""
        links: list[str] = []
        walker = TreeWalker(os.open(self._root, DIRECTORY_FLAGS), flags=PATH_FLAGS)
        try:
            name = self._walk(path, walker, create=False, follow_last=True, links=links)
            names = [*walker.names, *(() if name in _DOT_SEGMENTS else (name,))]
            return "/" + "/".join(names), links
        finally:
            walker.close()

    def read_link(self, path: str) -> str:
        """Return where the link ``path`` leads, as it says."""
        with self._parent(path, create=False, follow_last=False) as (directory, name):
            return os.readlink(name, dir_fd=directory)

    def make_link(self, path: str, target: str) -> None:
        """Make a link and its missing parents, unless the path exists."""
        with (
            self._parent(path, create=True, follow_last=False) as (directory, name),
            suppress(FileExistsError),
        ):
            os.symlink(target, name, dir_fd=directory)

    def is_link(self, path: str) -> bool:
        """Tell whether ``path`` itself is a symbolic link."""
        with self._parent(path, create=False, follow_last=False) as (directory, name):
            found = os.stat(name, dir_fd=directory, follow_symlinks=False)
            return stat.S_ISLNK(found.st_mode)

    def rename(self, source: str, target: str) -> None:
        """Rename within the tree; the last segments are not followed."""
        with (
            self._parent(source, create=False, follow_last=False) as (from_fd, old),
            self._parent(target, create=True, follow_last=False) as (to_fd, new),
        ):
            os.replace(old, new, src_dir_fd=from_fd, dst_dir_fd=to_fd)

    def remove(self, path: str) -> None:
        """Remove a file or link if it exists."""
        try:
            with self._parent(path, create=False, follow_last=False) as (parent, name):
                os.unlink(name, dir_fd=parent)
        except FileNotFoundError:
            return

    def names(self, path: str, most: int | None = None) -> list[str]:
        """Return the names in a directory, sorted; any ``most`` of them if it has more."""
        descriptor = self.open_directory(path)
        try:
            return sorted_names(descriptor, most)
        finally:
            os.close(descriptor)

    @contextmanager
    def _parent(
        self, path: str, *, create: bool, follow_last: bool
    ) -> Iterator[tuple[int, str]]:
        """Yield the open directory that holds ``path``, and the last name in it."""
        walker = TreeWalker(os.open(self._root, DIRECTORY_FLAGS), flags=PATH_FLAGS)
        try:
            name = self._walk(
                path, walker, create=create, follow_last=follow_last, links=[]
            )
            yield walker.descriptor, name
        finally:
            walker.close()

    def _walk(
        self,
        path: str,
        walker: TreeWalker,
        *,
        create: bool,
        follow_last: bool,
        links: list[str],
    ) -> str:
        """Go to the directory that holds ``path``; append the ``links`` on the walker."""
        pending = deque(segment for segment in path.split("/") if segment)
        while pending:
            segment = pending.popleft()
            if segment in _DOT_SEGMENTS:
                if segment == ".." and walker.depth:
                    walker.leave()
                continue
            target = (
                _link_target(segment, walker.descriptor)
                if pending or follow_last
                else None
            )
            if target is not None:
                links.append("/" + "/".join([*walker.names, segment]))
                if len(links) > _MAX_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                if target.startswith("/"):
                    walker.leave_all()
                pending.extendleft(reversed([s for s in target.split("/") if s]))
                continue
            if not pending:
                return segment
            if create:
                make_directory(segment, walker.descriptor, self._mode)
            walker.enter(segment)
        return "."


def sorted_names(directory: int, most: int | None = None) -> list[str]:
    """Return the names in an open directory, sorted.

    Any ``most`` of them if it has more, without reading the others: who fills it may
    want to fill our memory.
    """
    with os.scandir(directory) as entries:
        return sorted(entry.name for entry in islice(entries, most))


def _link_target(name: str, directory: int) -> str | None:
    try:
        return os.readlink(name, dir_fd=directory)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOENT):
            return None
        raise


def make_directory(name: str, directory: int, mode: int = 0o777) -> None:
    """Make a directory, writable by everybody, in an open one if it is not there."""
    try:
        os.mkdir(name, mode, dir_fd=directory)
    except FileExistsError:
        return
    # Every directory of a task is writable by any uid its images use; one
    # that got its group from the volume (setgid) hands it on.
    made = os.open(name, DIRECTORY_FLAGS, dir_fd=directory)
    try:
        os.fchmod(made, stat.S_IMODE(os.fstat(made).st_mode) | mode)
    finally:
        os.close(made)
