"""``file://`` urls and plain paths in allowed folders of this machine.

A path is first resolved, links and all; the result must lie within an allowed
folder. It is then walked without following any link, so that one that is made
meanwhile makes the walk fail, not escape. Each folder of the walk is checked against
the protected paths (``tesk_runtime.protected_paths``): refused
where it is named, left out of the listing of a folder above it, with a note.
"""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tesk_filer.adapters.copying import copy_descriptor
from tesk_filer.adapters.storage.cursors import prepend
from tesk_filer.adapters.storage.local_access import (
    LocalAccess,
    Target,
    explain,
)
from tesk_filer.adapters.storage.local_folders import LocalFolders
from tesk_filer.adapters.storage.local_listing import (
    SEPARATOR,
    FolderListing,
    etag_of,
    identity_of,
)
from tesk_filer.adapters.volume import temporary_name
from tesk_filer.ports import (
    NO_CHECKSUMS,
    Advance,
    ChangedError,
    Checksums,
    Cursor,
    Entry,
    Page,
    Part,
    Source,
    Stat,
    StorageError,
)
from tesk_model.locations import Location
from tesk_runtime.protected_paths import ProtectedPaths

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR})


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """An open file; satisfies ``ports.Reader``."""

    opened: int
    size: int
    etag: str
    executable: bool
    part: Part | None
    checksums: Checksums = field(default_factory=lambda: NO_CHECKSUMS)
    has_parts: bool = False  # the kernel copies faster

    @property
    def descriptor(self) -> int | None:
        return None if self.part else self.opened

    def read(self, size: int) -> bytes:
        if self.part is None:
            return os.read(self.opened, size)
        left = self.part.stop - os.lseek(self.opened, 0, os.SEEK_CUR)
        return os.read(self.opened, min(size, left)) if left > 0 else b""


class LocalStorage:
    """Files of this machine, below the allowed folders only."""

    def __init__(
        self,
        roots: Sequence[str],
        *,
        read_roots: Sequence[str] = (),
        protected: ProtectedPaths | None = None,
    ) -> None:
        """Allow folders; those that are links are resolved now.

        Args:
            roots: Folders to read and write.
            read_roots: Folders to read, also in this program's own files.
            protected: Protected paths, even in these folders.
        """
        self._access = LocalAccess(
            roots, read_roots=read_roots, protected=protected or ProtectedPaths()
        )
        self._folders = LocalFolders(self._access)

    def stat(self, location: Location) -> Stat | None:
        """See ``Storage``."""
        target = self._access.resolve(location.path)
        try:
            with self._access.parent(target) as (directory, name):
                found = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except OSError as error:
            if error.errno in _ABSENT:
                return None
            raise explain(error) from error
        if stat.S_ISDIR(found.st_mode):
            return Stat(is_directory=True)
        return Stat(size=found.st_size, etag=etag_of(found))

    def list(self, location: Location, cursor: Cursor = ()) -> Page:
        """See ``Storage``; each page is one folder, in order of path."""
        here, pending = cursor or (self._top(location), ())
        relative, path, own_until, *above = here.split(SEPARATOR)
        folder = Target(path, int(own_until))
        try:
            with self._access.parent(folder) as (directory, name):
                descriptor = os.open(name, _DIRECTORY, dir_fd=directory)
        except OSError as error:
            if error.errno == errno.ENOTDIR and self.stat(location) is not None:
                message = "is a file; give the input type FILE"
                raise StorageError(message) from error
            raise explain(error) from error
        try:
            found = os.fstat(descriptor)
            identity = identity_of(found)
            listing = FolderListing(self._access, folder, relative, (*above, identity))
            for name in sorted(os.listdir(descriptor)):  # noqa: PTH208 - pathlib takes no descriptor
                listing.add(name, descriptor)
        except OSError as error:
            raise explain(error) from error
        finally:
            os.close(descriptor)
        if listing.is_empty and relative:
            listing.entries.append(Entry(name=relative, is_directory=True))
        return Page(
            listing.entries,
            prepend(listing.folders, pending),
            listing.notes,
            directory=identity,
            depth=len(above),
        )

    def _top(self, location: Location) -> str:
        target = self._access.resolve(location.path)
        return SEPARATOR.join(["", target.path, str(target.own_until)])

    @contextmanager
    def open(
        self, location: Location, *, part: Part | None = None, known: Stat | None = None
    ) -> Iterator[_File]:
        """See ``Storage``."""
        try:
            descriptor = self._folders.open(location.path)
        except OSError as error:
            raise explain(error) from error
        try:
            found = os.fstat(descriptor)
            if stat.S_ISDIR(found.st_mode):
                raise StorageError("is a directory; give the input type DIRECTORY")
            if not stat.S_ISREG(found.st_mode):
                raise StorageError("is not a regular file")
            if known is not None and known.etag not in ("", etag_of(found)):
                raise ChangedError
            if part:
                os.lseek(descriptor, part.start, os.SEEK_SET)
            yield _File(
                opened=descriptor,
                part=part,
                size=found.st_size,
                etag=etag_of(found),
                executable=bool(found.st_mode & stat.S_IXUSR),
            )
        finally:
            os.close(descriptor)

    def write(self, location: Location, source: Source, advance: Advance) -> None:
        """See ``Storage``; durable when it returns."""
        target = self._access.resolve(location.path, write=True)
        try:
            with self._access.parent(target, create=True) as (directory, name):
                _replace(directory, name, source, advance)
        except OSError as error:
            raise explain(error) from error

    def check_write(self, location: Location) -> None:
        """See ``ChecksWrites``."""
        target = self._access.resolve(location.path, write=True)
        try:
            self._access.check_write(target)
        except OSError as error:
            raise explain(error) from error

    def make_directory(self, location: Location) -> None:
        """See ``Storage``."""
        target = self._access.resolve(location.path, write=True)
        try:
            with self._access.parent(Target(target.path + "/."), create=True):
                pass
        except OSError as error:
            raise explain(error) from error


def _replace(directory: int, name: str, source: Source, advance: Advance) -> None:
    temporary = temporary_name(name, source.tag)
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    mode = 0o777 if source.executable else 0o666  # less the umask
    target = os.open(temporary, flags, mode, dir_fd=directory)
    try:
        try:
            os.lseek(source.descriptor, 0, os.SEEK_SET)
            size = copy_descriptor(source.descriptor, target, source.size, advance)
            if size != source.size:
                message = (
                    f"changed while it was copied: {size} bytes, not {source.size}"
                )
                raise StorageError(message, transient=True)
            os.fsync(target)
        finally:
            os.close(target)
        os.replace(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=directory)
        raise
    with suppress(PermissionError):  # of a folder without the right to read
        _sync(directory)


def _sync(directory: int) -> None:
    descriptor = os.open(".", _DIRECTORY, dir_fd=directory)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
