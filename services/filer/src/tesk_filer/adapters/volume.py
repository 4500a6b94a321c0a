"""The task volume in a folder of this machine.

All access goes through ``RootedFiles``: whatever links and names an executor made,
nothing outside the folder is read or written.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tesk_filer.adapters.copying import CHUNK, copy_descriptor, write_all
from tesk_filer.domain.tree import Kind, Node
from tesk_filer.ports import Advance, Reader, Source, StorageError
from tesk_model.paths import parent
from tesk_runtime.rooted_files import RootedFiles

_MAX_NAME = 255  # bytes, as file systems have it
# Errors for a path that does not exist.
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


class FolderVolume:
    """A task volume; satisfies ``ports.Volume``."""

    def __init__(self, folder: Path, *, umask: int = 0) -> None:
        """Use ``folder``, which exists and mirrors the container's tree.

        Args:
            folder: Of the volume.
            umask: What new files and directories lack of the modes that let every
                uid write, as executors need it; another for files of a user.
        """
        self._tree = RootedFiles(folder, umask=umask)
        self._umask = umask

    def node(self, path: str) -> Node | None:
        """See ``Tree``."""
        try:
            found = self._tree.stat(path)
        except OSError as error:
            if error.errno in _ABSENT:
                return None
            raise _unreadable(error) from error
        identity = (found.st_dev, found.st_ino)
        if stat.S_ISREG(found.st_mode):
            return Node(Kind.FILE, identity, found.st_size)
        if stat.S_ISDIR(found.st_mode):
            return Node(Kind.DIRECTORY, identity)
        return None if stat.S_ISLNK(found.st_mode) else Node(Kind.SPECIAL, identity)

    def is_link(self, path: str) -> bool:
        """See ``Tree``."""
        try:
            return self._tree.is_link(path)
        except OSError as error:
            if error.errno in _ABSENT:
                return False
            raise _unreadable(error) from error

    def names(self, path: str) -> Sequence[str]:
        """See ``Tree``."""
        try:
            return self._tree.names(path)
        except OSError as error:
            if error.errno in _ABSENT:
                return []
            raise _unreadable(error) from error

    def save(self, path: str, reader: Reader, advance: Advance) -> None:
        """See ``Volume``; the file is readable and writable by any uid."""
        temporary = f"{parent(path).rstrip('/')}/{temporary_name(path)}"
        try:
            descriptor = self._tree.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
            try:
                mode = 0o777 if reader.executable else 0o666
                os.fchmod(descriptor, mode & ~self._umask)
                size = _receive(reader, descriptor, advance)
            finally:
                os.close(descriptor)
            _check_size(reader.size, size)
            self._tree.rename(temporary, path)
        except OSError as error:
            self._discard(temporary)
            raise _unwritable(error) from error
        except BaseException:
            self._discard(temporary)
            raise

    @contextmanager
    def open(self, path: str, tag: str) -> Iterator[Source]:
        """See ``Volume``."""
        try:
            # Without O_NONBLOCK the open of a pipe would block.
            descriptor = self._tree.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            raise _unreadable(error) from error
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise StorageError("is not a regular file any more")
            yield Source(
                descriptor=descriptor,
                size=found.st_size,
                executable=bool(found.st_mode & stat.S_IXUSR),
                tag=tag,
            )
        finally:
            os.close(descriptor)

    def make_directory(self, path: str) -> None:
        """See ``Volume``."""
        try:
            os.close(self._tree.open_directory(path, create=True))
        except OSError as error:
            raise _unwritable(error) from error

    def _discard(self, temporary: str) -> None:
        with suppress(OSError):
            self._tree.remove(temporary)


def temporary_name(path: str, tag: str = "") -> str:
    """Return the hidden name under which the file at ``path`` is written.

    It is the same each time, so that the file of a killed filer is overwritten.
    """
    name = path.rpartition("/")[2]
    middle = f".{tag}" if tag else ""
    hidden = f".{name}{middle}.part"
    if len(os.fsencode(hidden)) <= _MAX_NAME:
        return hidden
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:32]
    return f".{digest}{middle}.part"


def _receive(reader: Reader, target: int, advance: Advance) -> int:
    if reader.descriptor is not None:
        return copy_descriptor(reader.descriptor, target, reader.size or 0, advance)
    size = 0
    while data := reader.read(CHUNK):
        write_all(target, data)
        size += len(data)
        advance(len(data))
    return size


def _check_size(announced: int | None, arrived: int) -> None:
    if announced is not None and arrived != announced:
        message = f"{arrived} of {announced} bytes arrived"
        raise StorageError(message, transient=True)


def _unreadable(error: OSError) -> StorageError:
    if error.errno == errno.EACCES:
        return StorageError(
            "cannot be read: only the user of the executor may read it; "
            "let it set the mode of its outputs (chmod a+rX)"
        )
    return StorageError(f"cannot be read from the task's files: {error.strerror}")


def _unwritable(error: OSError) -> StorageError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError(
            "no space left for the task's files; ask for more disk_gb, or free space"
        )
    if error.errno in (errno.ENOTDIR, errno.EISDIR, errno.EEXIST):
        return StorageError(
            "a file and a directory would have the same path in the task: "
            f"{error.strerror}"
        )
    return StorageError(f"cannot be written to the task's files: {error.strerror}")
