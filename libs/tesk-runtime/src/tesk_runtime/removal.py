"""Removes a tree that an executor made.

Directories may be nested thousands deep, unreadable (mode 0), or mount points; files
may be immutable. All that can be removed is removed, in time that grows with the
number of files only; the rest is counted, and the first leftover is named. Nothing is
removed through a link, nor from another file system that is mounted in the tree.
"""

import errno
import os
import re
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tesk_model.quantities import format_bytes
from tesk_runtime.tree_walker import DIRECTORY_FLAGS, PATH_FLAGS, TreeWalker

_BLOCK = 512  # of st_blocks, on every file system
_MAX_SCANS = 3  # at a directory that fills while it is emptied
_MAX_PATH_LENGTH = 200
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM})
_MOUNTS = Path("/proc/self/mountinfo")
_ESCAPE = re.compile(r"\\([0-7]{3})")


class IncompleteRemovalError(OSError):
    """Something in a tree cannot be removed; everything else has been.

    ``errno``, ``strerror`` and ``filename`` describe the first leftover.

    Attributes:
        count: Number of leftovers, without the directories above them.
        bytes_held: Disk space that they use.
        is_forbidden: Another user might be allowed to remove some of them.
    """

    def __init__(
        self, first: OSError, *, count: int, bytes_held: int, is_forbidden: bool
    ) -> None:
        super().__init__(first.errno, first.strerror, first.filename)
        self.count = count
        self.bytes_held = bytes_held
        self.is_forbidden = is_forbidden

    def __str__(self) -> str:
        """Describe the leftovers for people."""
        more = f" and {self.count - 1} more" if self.count > 1 else ""
        path = _shortened(str(self.filename))
        return f"{path}: {self.strerror}{more} ({format_bytes(self.bytes_held)} stay)"


def remove_tree(folder: Path) -> None:
    """Remove a directory, if it exists, and all in it.

    Raises:
        IncompleteRemovalError: Something in it cannot be removed.
        OSError: It is not a directory, or its parent cannot be read.
    """
    try:
        parent = os.open(folder.parent, DIRECTORY_FLAGS & ~os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    removal = _Removal(folder, TreeWalker(parent))
    try:
        removal.run()
    finally:
        removal.walker.close()


@dataclass(slots=True)
class _Level:
    """One directory on the way down.

    Attributes:
        pending: Directories in it that are still to be removed.
        scans: How often it was read.
        is_kept: Something in it cannot be removed.
    """

    name: str
    pending: list[str]
    scans: int = 1
    is_kept: bool = False


@dataclass(slots=True)
class _Removal:
    """One removal; ``walker`` begins at the directory that holds the folder."""

    folder: Path
    walker: TreeWalker
    levels: list[_Level] = field(default_factory=list)
    mounts: frozenset[str] = frozenset()
    device: int = 0
    first: OSError | None = None
    count: int = 0
    bytes_held: int = 0
    is_forbidden: bool = False

    def run(self) -> None:
        self.mounts = _mount_points(self.folder)
        top = _Level("", [self.folder.name])
        self.levels.append(top)
        while (level := self.levels[-1]) is not top or top.pending:
            if level.pending:
                self._go_down(level.pending.pop())
            else:
                self._go_up()
        if self.first is not None:
            raise IncompleteRemovalError(
                self.first,
                count=self.count,
                bytes_held=self.bytes_held,
                is_forbidden=self.is_forbidden,
            )

    def _go_down(self, name: str) -> None:
        try:
            self._enter(name)
        except FileNotFoundError:
            return
        except OSError as error:
            self._keep(error, name)
            return
        level = _Level(name, [])
        self.levels.append(level)
        level.pending = self._remove_files()

    def _enter(self, name: str) -> None:
        if self.mounts and self._path(name) in self.mounts:
            raise OSError(errno.EBUSY, "is a mount point", name)
        try:
            self.walker.enter(name)
        except PermissionError:
            self._make_accessible(name)
            self.walker.enter(name)
        status = os.fstat(self.walker.descriptor)
        if self.walker.depth == 1:
            self.device = status.st_dev
        elif status.st_dev != self.device:
            self.walker.leave()
            raise OSError(errno.EBUSY, "is another file system", name)
        if status.st_mode & stat.S_IRWXU != stat.S_IRWXU:
            with suppress(PermissionError):  # its entries will tell
                os.fchmod(self.walker.descriptor, stat.S_IRWXU)

    def _make_accessible(self, name: str) -> None:
        """Make an unreadable directory of this user accessible, never through a link."""
        closed = os.open(name, PATH_FLAGS, dir_fd=self.walker.descriptor)
        try:
            Path(f"/proc/self/fd/{closed}").chmod(stat.S_IRWXU)
        finally:
            os.close(closed)

    def _remove_files(self) -> list[str]:
        """Remove all but directories; return the names of these."""
        directories = []
        try:
            with os.scandir(self.walker.descriptor) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        directories.append(entry.name)
                    else:
                        self._unlink(entry.name)
        except OSError as error:
            self._keep(error, ".")
        return directories

    def _unlink(self, name: str) -> None:
        try:
            os.unlink(name, dir_fd=self.walker.descriptor)
        except FileNotFoundError:
            return
        except OSError as error:
            with suppress(OSError):
                status = os.stat(
                    name, dir_fd=self.walker.descriptor, follow_symlinks=False
                )
                self.bytes_held += status.st_blocks * _BLOCK
            self._keep(error, name)

    def _go_up(self) -> None:
        left = self.levels.pop()
        self.walker.leave()
        above = self.levels[-1]
        if left.is_kept:
            above.is_kept = True
            return
        try:
            os.rmdir(left.name, dir_fd=self.walker.descriptor)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.ENOTEMPTY or left.scans >= _MAX_SCANS:
                self._keep(error, left.name)
                return
            self._go_down(left.name)
            self.levels[-1].scans = left.scans + 1

    def _keep(self, error: OSError, name: str) -> None:
        """Record that ``name``, in the present directory, stays."""
        self.count += 1
        self.is_forbidden = self.is_forbidden or error.errno in _FORBIDDEN
        if self.first is None:
            self.first = OSError(error.errno, error.strerror, self._path(name))
        self.levels[-1].is_kept = True

    def _path(self, name: str) -> str:
        return "/".join([str(self.folder.parent), *self.walker.names, name])


def _mount_points(folder: Path) -> frozenset[str]:
    """Return the mount points at or below ``folder``, as this process sees them."""
    try:
        lines = _MOUNTS.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:  # not Linux: the device number must do
        return frozenset()
    top = str(folder.parent.resolve() / folder.name)
    points = (_ESCAPE.sub(_unescaped, line.split(" ")[4]) for line in lines)
    return frozenset(
        str(folder.parent) + point.removeprefix(str(folder.parent.resolve()))
        for point in points
        if point == top or point.startswith(f"{top}/")
    )


def _unescaped(match: re.Match[str]) -> str:
    return chr(int(match[1], 8))


def _shortened(path: str) -> str:
    if len(path) <= _MAX_PATH_LENGTH:
        return path
    return f"{path[: _MAX_PATH_LENGTH // 2]}…{path[-_MAX_PATH_LENGTH // 2 :]}"
