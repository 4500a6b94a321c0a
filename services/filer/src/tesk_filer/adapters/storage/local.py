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
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager
from typing import Self

from tesk_filer.adapters.storage.cursors import prepend
from tesk_filer.adapters.storage.local_access import (
    LocalAccess,
    Target,
    explain,
)
from tesk_filer.adapters.storage.local_batch import GroupSyncs, LocalBatch, open_batch
from tesk_filer.adapters.storage.local_folders import LocalFolders
from tesk_filer.adapters.storage.local_listing import (
    SEPARATOR,
    FolderListing,
    etag_of,
    identity_of,
)
from tesk_filer.adapters.storage.local_writing import (
    FOLDER,
    replace,
    sync_folder,
    write_temporary,
)
from tesk_filer.adapters.storage.small_files import SMALL, open_each
from tesk_filer.domain.checks import Verdict, WriteFound
from tesk_filer.domain.expansion import Limits, describe_excess
from tesk_filer.ports import (
    NO_CHECKSUMS,
    Advance,
    ChangedError,
    Cursor,
    Entry,
    Page,
    Part,
    Reader,
    Source,
    Stat,
    StorageError,
)
from tesk_filer.ports.batches import ListedLocation
from tesk_model.locations import Location
from tesk_runtime.protected_paths import ProtectedPaths
from tesk_runtime.rooted_files import sorted_names

_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR})
_SPECIAL = "is neither a file nor a directory"


class _File:
    """An open file, closed at the end of a block; satisfies ``ports.Reader``."""

    checksums = NO_CHECKSUMS
    has_parts = False  # the kernel copies faster

    def __init__(
        self, opened: int, found: os.stat_result, etag: str, part: Part | None
    ) -> None:
        self._opened = opened
        self._part = part
        self.size = found.st_size
        self.etag = etag
        self.executable = bool(found.st_mode & stat.S_IXUSR)
        self.descriptor = None if part else opened

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._opened)

    def read(self, size: int) -> bytes:
        if self._part is not None:
            position = os.lseek(self._opened, 0, os.SEEK_CUR)
            size = max(0, min(size, self._part.stop - position))
        data = os.read(self._opened, size)
        if not data and etag_of(os.fstat(self._opened)) != self.etag:
            raise ChangedError
        return data


class LocalStorage:
    """Files of this machine, below the allowed folders only."""

    small = SMALL

    def __init__(
        self,
        roots: Sequence[str],
        *,
        read_roots: Sequence[str] = (),
        protected: ProtectedPaths | None = None,
        most: int = Limits().files,
    ) -> None:
        """Allow folders; those that are links are resolved now.

        Args:
            roots: Folders to read and write.
            read_roots: Folders to read, also in this program's own files.
            protected: Protected paths, even in these folders.
            most: Files and directories that one folder may have to be listed.
        """
        self._access = LocalAccess(
            roots, read_roots=read_roots, protected=protected or ProtectedPaths()
        )
        self._most = most
        self._folders = LocalFolders(self._access)
        self._syncs = GroupSyncs()

    def stat(self, location: Location) -> Stat | None:
        """See ``Storage``."""
        found = self._status(location)
        if found is None:
            return None
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
                descriptor = os.open(name, FOLDER, dir_fd=directory)
        except OSError as error:
            if error.errno == errno.ENOTDIR and (found := self._status(location)):
                is_file = stat.S_ISREG(found.st_mode)
                message = "is a file; give the input type FILE"
                raise StorageError(message if is_file else _SPECIAL) from error
            raise explain(error) from error
        try:
            found = os.fstat(descriptor)
            identity = identity_of(found)
            listing = FolderListing(self._access, folder, relative, (*above, identity))
            for name in self._names(descriptor):
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

    def _names(self, folder: int) -> Sequence[str]:
        names = sorted_names(folder, self._most + 1)
        if len(names) > self._most:
            raise StorageError(describe_excess(self._most))
        return names

    def _top(self, location: Location) -> str:
        target = self._access.resolve(location.path)
        return SEPARATOR.join(["", target.path, str(target.own_until)])

    def open(
        self, location: Location, *, part: Part | None = None, known: Stat | None = None
    ) -> _File:
        """See ``Storage``."""
        try:
            descriptor, found = self._folders.open(location.path)
        except OSError as error:
            raise explain(error) from error
        try:
            etag = _check_file(found, known)
            if part:
                os.lseek(descriptor, part.start, os.SEEK_SET)
        except BaseException:
            os.close(descriptor)
            raise
        return _File(descriptor, found, etag, part)

    def write(self, location: Location, source: Source, advance: Advance) -> str:
        """See ``Storage``; durable when it returns."""
        target = self._access.resolve(location.path, write=True)
        try:
            with self._access.parent(target, create=True) as (directory, name):
                _replace(directory, name, source, advance)
        except OSError as error:
            raise explain(error) from error
        return ""

    def open_all(
        self, files: Sequence[ListedLocation]
    ) -> Generator[AbstractContextManager[Reader]]:
        """See ``ReadsBatches``."""
        return open_each(self, files)

    def batch(self) -> AbstractContextManager[LocalBatch]:
        """See ``WritesBatches``."""
        return open_batch(self._access, self._syncs)

    def _status(self, location: Location) -> os.stat_result | None:
        target = self._access.resolve(location.path)
        try:
            with self._access.parent(target) as (directory, name):
                return os.stat(name, dir_fd=directory, follow_symlinks=False)
        except OSError as error:
            if error.errno in _ABSENT:
                return None
            raise explain(error) from error

    def check_write(self, location: Location) -> WriteFound:
        """See ``ChecksWrites``."""
        target = self._access.resolve(location.path, write=True)
        try:
            self._access.check_write(target)
        except OSError as error:
            raise explain(error) from error
        message = "a file can be written in its folder; none was"
        return WriteFound(Verdict.OK, message)

    def make_directory(self, location: Location) -> None:
        """See ``Storage``."""
        target = self._access.resolve(location.path, write=True)
        try:
            with self._access.parent(Target(target.path + "/."), create=True):
                pass
        except OSError as error:
            raise explain(error) from error


def _check_file(found: os.stat_result, known: Stat | None) -> str:
    """Return the ETag of an open file, if it can be read and is the one that is known."""
    if stat.S_ISDIR(found.st_mode):
        raise StorageError("is a directory; give the input type DIRECTORY")
    if not stat.S_ISREG(found.st_mode):
        raise StorageError("is not a regular file")
    etag = etag_of(found)
    if known is not None and known.etag not in ("", etag):
        raise ChangedError
    return etag


def _replace(directory: int, name: str, source: Source, advance: Advance) -> None:
    temporary = write_temporary(directory, name, source, advance, synced=True)
    replace(directory, temporary, name)
    sync_folder(directory)
