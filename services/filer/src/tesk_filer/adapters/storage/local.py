"""``file://`` urls and plain paths: folders of this machine that are allowed.

A path is first resolved, links and all; the result must lie within an allowed
folder. It is then walked without following any link, so that one that is put
in the way meanwhile makes the walk fail, not escape. Each folder of the walk is
checked for being one that no task touches (``tesk_runtime.protected``): refused
where it is named, left out of the listing of a folder above it, with a note.
"""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from tesk_filer.adapters.copying import copy_descriptor
from tesk_filer.adapters.storage.local_access import (
    LocalAccess,
    ProtectedError,
    Target,
    explain,
)
from tesk_filer.adapters.volume import temporary_name
from tesk_filer.domain.locations import parse_url, printable
from tesk_filer.ports import (
    Ability,
    Advance,
    Cursor,
    Entry,
    Page,
    Source,
    Stat,
    StorageError,
)
from tesk_runtime.protected import ProtectedPlaces

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR})


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """An open file; satisfies ``ports.Reader``."""

    descriptor: int
    size: int
    etag: str
    executable: bool

    def read(self, size: int) -> bytes:
        return os.read(self.descriptor, size)


class LocalStorage:
    """Files of this machine, below the allowed folders only."""

    def __init__(
        self,
        roots: Sequence[str],
        *,
        read_roots: Sequence[str] = (),
        protected: ProtectedPlaces | None = None,
    ) -> None:
        """Allow folders; those that are links are resolved now.

        Args:
            roots: May be read and written.
            read_roots: May be read; of this program's own files as well.
            protected: What may not be touched in spite of that.
        """
        self._access = LocalAccess(
            roots, read_roots=read_roots, protected=protected or ProtectedPlaces()
        )

    def abilities(self, _url: str) -> Ability:
        """See ``Storage``."""
        return (
            Ability.READ
            | Ability.WRITE
            | Ability.LIST
            | Ability.RANGES
            | Ability.DIRECTORIES
        )

    def stat(self, url: str) -> Stat | None:
        """See ``Storage``."""
        target = self._access.resolve(url)
        try:
            with self._access.parent(target) as (directory, name):
                found = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except OSError as error:
            if error.errno in _ABSENT:
                return None
            raise explain(error) from error
        if stat.S_ISDIR(found.st_mode):
            return Stat(is_directory=True)
        return Stat(size=found.st_size, etag=_etag(found))

    def list(self, url: str, cursor: Cursor = ()) -> Page:
        """See ``Storage``; each page is one folder, in order of path."""
        *pending, relative = cursor or ("",)
        top = parse_url(url).path.rstrip("/") or "/"
        folder = os.path.join(top, relative) if relative else top  # noqa: PTH118 - a text that os.fsdecode may have made
        target = self._access.resolve(folder)
        try:
            with self._access.parent(target) as (directory, name):
                descriptor = os.open(name, _DIRECTORY, dir_fd=directory)
            with os.scandir(descriptor) as items:
                names = sorted(item.name for item in items)
            os.close(descriptor)
        except OSError as error:
            if error.errno == errno.ENOTDIR and self.stat(folder) is not None:
                message = "is a file; give the input type FILE"
                raise StorageError(message) from error
            raise explain(error) from error
        listing = _Listing(self, top, relative)
        for name in names:
            listing.add(name)
        if not names and relative:
            listing.entries.append(Entry(name=relative, is_directory=True))
        return Page(
            listing.entries, (*pending, *reversed(listing.folders)), listing.notes
        )

    @contextmanager
    def open(self, url: str, *, offset: int = 0) -> Iterator[_File]:
        """See ``Storage``."""
        target = self._access.resolve(url)
        try:
            with self._access.parent(target) as (directory, name):
                flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
                descriptor = os.open(name, flags, dir_fd=directory)
        except OSError as error:
            raise explain(error) from error
        try:
            found = os.fstat(descriptor)
            if stat.S_ISDIR(found.st_mode):
                raise StorageError("is a directory; give the input type DIRECTORY")
            if not stat.S_ISREG(found.st_mode):
                raise StorageError("is not a regular file")
            os.lseek(descriptor, offset, os.SEEK_SET)
            yield _File(
                descriptor=descriptor,
                size=found.st_size,
                etag=_etag(found),
                executable=bool(found.st_mode & stat.S_IXUSR),
            )
        finally:
            os.close(descriptor)

    def write(self, url: str, source: Source, advance: Advance) -> None:
        """See ``Storage``; durable when it returns."""
        target = self._access.resolve(url, write=True)
        try:
            with self._access.parent(target, create=True) as (directory, name):
                _replace(directory, name, source, advance)
        except OSError as error:
            raise explain(error) from error

    def make_directory(self, url: str) -> None:
        """See ``Storage``."""
        target = self._access.resolve(url, write=True)
        try:
            with self._access.parent(Target(target.path + "/."), create=True):
                pass
        except OSError as error:
            raise explain(error) from error


class _Listing:
    """Sorts what one folder holds into files, folders and what is passed over."""

    def __init__(self, storage: LocalStorage, top: str, relative: str) -> None:
        self._storage = storage
        self._top = top
        self._relative = relative
        self.entries: list[Entry] = []
        self.folders: list[str] = []
        self.notes: list[str] = []

    def add(self, name: str) -> None:
        relative = f"{self._relative}/{name}" if self._relative else name
        path = f"{self._top.rstrip('/')}/{relative}"
        shown = printable(relative)
        real = os.path.realpath(path)
        try:
            # Refuses links that lead out; the volume has no business there.
            found = self._storage.stat(path)
        except ProtectedError as error:
            self.notes.append(f"{shown} is left out: {error.message}")
            return
        if found is None:
            self.notes.append(f"{shown} is a link to nothing, left out")
        elif found.is_directory:
            if self._goes_round(relative, real):
                self.notes.append(f"{shown} is a link that goes round, left out")
            else:
                self.folders.append(relative)
        elif not stat.S_ISREG(os.stat(real, follow_symlinks=False).st_mode):  # noqa: PTH116 - as above
            self.notes.append(f"{shown} is not a regular file, left out")
        else:
            self.entries.append(Entry(name=relative, size=found.size, etag=found.etag))

    def _goes_round(self, relative: str, real: str) -> bool:
        """Tell whether a folder is one of those that lead to it."""
        parts = relative.split("/")[:-1]
        above = [
            "/".join([self._top.rstrip("/"), *parts[:end]])
            for end in range(len(parts) + 1)
        ]
        return any(os.path.realpath(path or "/") == real for path in above)


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
    with suppress(PermissionError):  # of a folder that may be written, not read
        _sync(directory)


def _sync(directory: int) -> None:
    descriptor = os.open(".", _DIRECTORY, dir_fd=directory)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _etag(found: os.stat_result) -> str:
    return f"{found.st_ino:x}-{found.st_size:x}-{found.st_mtime_ns:x}"
