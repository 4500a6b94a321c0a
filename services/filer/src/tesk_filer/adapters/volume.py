"""The task volume in a folder of this machine.

Directories are found by ``RootedFiles``: whatever links and names an executor made,
nothing outside the folder is read or written. Within an open directory no link is
followed here.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from tesk_filer.adapters.digests import Digests
from tesk_filer.adapters.disk_space import check_space, free_bytes, reserve
from tesk_filer.adapters.open_directories import DirectoryUse, OpenDirectories
from tesk_filer.adapters.partial_file import PartialFile, stamp_of
from tesk_filer.adapters.receiving import check_size, receive
from tesk_filer.adapters.temporary_files import create, may_go_on, reopen
from tesk_filer.adapters.temporary_names import temporary_name
from tesk_filer.adapters.volume_errors import ABSENT, unreadable, unwritable
from tesk_filer.domain.tree import Kind, Node
from tesk_filer.ports import (
    NO_CHECKSUMS,
    Advance,
    Reader,
    Source,
    StorageError,
)
from tesk_filer.ports.volume import Checks, Saved
from tesk_model.paths import OWN_FOLDER, is_within
from tesk_runtime.rooted_files import RootedFiles

# Without O_NONBLOCK the open of a pipe would block.
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


class FolderVolume:
    """A task volume; satisfies ``ports.volume.Volume``."""

    def __init__(
        self,
        folder: Path,
        *,
        umask: int = 0,
        keeps_modes: bool = True,
        tag: str = "tesk",
        keeps_parts: bool = True,
    ) -> None:
        """Use ``folder``, which exists and mirrors the container's tree.

        Args:
            folder: Of the volume.
            umask: What new files and directories lack of the modes that let every
                uid write, as executors need it; another for files of a user.
            keeps_modes: Files that are executable stay so.
            tag: Of temporary names here and of what is sent from here, see
                ``temporary_names``; of no matter where nothing moves.
            keeps_parts: A later transfer has the same tag, so that it can go on with
                what has arrived of a large file.
        """
        self._tree = RootedFiles(folder, umask=umask)
        self._umask = umask
        self._folder = folder
        self._keeps_modes = keeps_modes
        self._tag = tag
        self._keeps_parts = keeps_parts
        self._directories = OpenDirectories()

    def node(self, path: str) -> Node | None:
        """See ``Tree``."""
        try:
            found = self._status(path)
        except OSError as error:
            if error.errno in ABSENT:
                return None
            raise unreadable(error) from error
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
            if error.errno in ABSENT:
                return False
            raise unreadable(error) from error

    def names(self, path: str, most: int) -> Sequence[str]:
        """See ``Tree``."""
        try:
            names = self._tree.names(path, most + 1)  # one may be our own folder
        except OSError as error:
            if error.errno in ABSENT:
                return []
            raise unreadable(error) from error
        own = OWN_FOLDER[1:]
        return names if path.strip("/") else [name for name in names if name != own]

    def stamp(self, path: str) -> str:
        """See ``Volume``."""
        try:
            found = self._status(path)
        except OSError:
            return ""
        return stamp_of(found) if stat.S_ISREG(found.st_mode) else ""

    def check_space(self, needed: int) -> None:
        """See ``Volume``."""
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            check_space(descriptor, needed)
        finally:
            os.close(descriptor)

    def save(
        self, path: str, reader: Reader, advance: Advance, checks: Checks = NO_CHECKSUMS
    ) -> Saved:
        """See ``Volume``; the file is readable and writable by any uid."""
        size = reader.size
        try:
            use, name = self._at(path, create=True)
            with use as directory:
                temporary = temporary_name(name, self._tag)
                try:
                    saved = self._receive(
                        reader, create(temporary, directory), advance, Digests(checks)
                    )
                    os.replace(
                        temporary, name, src_dir_fd=directory, dst_dir_fd=directory
                    )
                except BaseException:
                    _remove(temporary, directory)
                    raise
        except OSError as error:
            raise unwritable(error, size) from error
        return saved

    def _receive(
        self, reader: Reader, descriptor: int, advance: Advance, digests: Digests
    ) -> Saved:
        """Write a file to the open temporary one, and close that."""
        size = reader.size
        try:
            self._set_mode(descriptor, executable=reader.executable)
            arrived = receive(reader, descriptor, advance, digests)
            check_size(size, arrived)
            found = digests.verify()
            stamp = stamp_of(os.fstat(descriptor))
        except OSError as error:
            needed = size and size - os.fstat(descriptor).st_size
            raise unwritable(error, needed, free_bytes(descriptor)) from error
        finally:
            os.close(descriptor)
        return Saved(size=arrived, stamp=stamp, digests=found)

    @contextmanager
    def begin_parts(
        self, path: str, size: int, *, resumed: str, renew: Callable[[], None]
    ) -> Iterator[PartialFile]:
        """See ``Volume``."""
        with self._temporary(path, size) as (directory, name, temporary):
            descriptor = reopen(temporary, directory, size, resumed)
            is_resumed = descriptor is not None
            if descriptor is None:
                renew()
                descriptor = create(temporary, directory)
            try:
                if not is_resumed:
                    check_space(descriptor, size)
                    reserve(descriptor, size)
                publish = partial(
                    self._publish, descriptor, directory, (temporary, name)
                )
                yield PartialFile(descriptor, is_resumed=is_resumed, publish=publish)
            except OSError as error:
                raise unwritable(error, size, free_bytes(descriptor)) from error
            finally:
                os.close(descriptor)

    @contextmanager
    def open(self, path: str, tag: str) -> Iterator[Source]:
        """See ``Volume``."""
        try:
            descriptor = self._open(path)
        except OSError as error:
            raise unreadable(error) from error
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise StorageError("is not a regular file any more")
            yield Source(
                descriptor=descriptor,
                size=found.st_size,
                executable=self._keeps_modes and bool(found.st_mode & stat.S_IXUSR),
                tag=f"{self._tag}-{tag}",
                stamp=stamp_of(found),
            )
        finally:
            os.close(descriptor)

    @staticmethod
    def digest(source: Source, algorithm: str, advance: Advance) -> str:
        """See ``Volume``."""
        digests = Digests({algorithm: ""})
        try:
            digests.read(source.descriptor, advance)
        except OSError as error:
            raise unreadable(error) from error
        return digests.verify()[algorithm]

    def make_directory(self, path: str) -> None:
        """See ``Volume``."""
        try:
            use, _ = self._at(f"{path.rstrip('/')}/.", create=True)
            with use:
                pass
        except OSError as error:
            raise unwritable(error) from error

    def _at(self, path: str, *, create: bool = False) -> tuple[DirectoryUse, str]:
        """Return the directory of ``path``, for a block, and the last name in it."""
        if is_within(path, OWN_FOLDER):
            raise FileNotFoundError(errno.ENOENT, "belongs to TESK", path)
        above, _, name = path.rpartition("/")
        opened = partial(self._tree.open_parent, path, create=create)
        return self._directories.use(above, opened), name

    def _status(self, path: str) -> os.stat_result:
        """Return the status of ``path``, links followed inside the volume."""
        if not path.strip("/"):
            return self._tree.stat(path)
        use, name = self._at(path)
        with use as directory:
            found = os.stat(name, dir_fd=directory, follow_symlinks=False)
        return self._tree.stat(path) if stat.S_ISLNK(found.st_mode) else found

    def _open(self, path: str) -> int:
        try:
            use, name = self._at(path)
            with use as directory:
                return os.open(name, _READ, dir_fd=directory)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
        return self._tree.open(path, os.O_RDONLY | os.O_NONBLOCK)  # it is a link

    @contextmanager
    def _temporary(self, path: str, size: int) -> Iterator[tuple[int, str, str]]:
        """Yield the directory of ``path``, its name there, and its temporary name.

        The temporary file stays if the transfer may go on.
        """
        try:
            use, name = self._at(path, create=True)
            with use as directory:
                temporary = temporary_name(name, self._tag)
                try:
                    yield directory, name, temporary
                except BaseException as error:
                    if not (self._keeps_parts and may_go_on(error)):
                        _remove(temporary, directory)
                    raise
        except OSError as error:
            raise unwritable(error, size) from error

    def _set_mode(self, descriptor: int, *, executable: bool) -> None:
        mode = 0o777 if executable and self._keeps_modes else 0o666
        os.fchmod(descriptor, mode & ~self._umask)

    def _publish(
        self,
        descriptor: int,
        directory: int,
        names: tuple[str, str],
        executable: bool,  # noqa: FBT001 - given by PartialFile
    ) -> None:
        self._set_mode(descriptor, executable=executable)
        os.replace(*names, src_dir_fd=directory, dst_dir_fd=directory)


def _remove(temporary: str, directory: int) -> None:
    with suppress(OSError):
        os.unlink(temporary, dir_fd=directory)
