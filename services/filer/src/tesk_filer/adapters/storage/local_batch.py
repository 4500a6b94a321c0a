"""Writes many files of this machine, and makes them durable together.

All are written under temporary names; one sync of the file system puts them on the disk;
then each gets its name, and a sync of each folder makes the names durable. So a file that
can be seen is whole, whenever filer or machine stop. Where a file system has no sync that
can be relied on, each file is synced by itself.
"""

import os
import stat
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tesk_filer.adapters.file_system_sync import (
    GroupSync,
    sync_file_system,
    syncs_reliably,
)
from tesk_filer.adapters.storage.directory_targets import directory_in_the_way
from tesk_filer.adapters.storage.local_access import LocalAccess, Target, explain
from tesk_filer.adapters.storage.local_writing import (
    FOLDER,
    remove,
    replace,
    sync_folder,
    write_temporary,
)
from tesk_filer.ports import Advance, Source
from tesk_filer.ports.batches import NotBatchedError
from tesk_model.locations import Location


class GroupSyncs:
    """The syncs of file systems, shared by all who write to them; thread-safe."""

    def __init__(self) -> None:
        """Begin without any."""
        self._lock = threading.Lock()
        self._known: dict[int, GroupSync | None] = {}

    def of(self, directory: int) -> GroupSync | None:
        """Return the sync for an open folder; None: there is none to rely on.

        Raises:
            OSError: From the file system.
        """
        device = os.fstat(directory).st_dev
        with self._lock:
            if device not in self._known:
                self._known[device] = _open_sync(directory)
            found = self._known[device]
        return None if found is None or found.has_failed else found


def _open_sync(directory: int) -> GroupSync | None:
    try:
        descriptor = os.open(".", FOLDER, dir_fd=directory)
    except PermissionError:
        return None
    if syncs_reliably(descriptor):
        return GroupSync(descriptor, sync_file_system)
    os.close(descriptor)
    return None


@dataclass(frozen=True, slots=True)
class _Folder:
    """An open folder that files are written to."""

    target: Target
    descriptor: int
    sync: GroupSync | None


@dataclass(frozen=True, slots=True)
class _Written:
    """A file that is written, and does not have its name yet."""

    folder: _Folder
    temporary: str
    name: str


class LocalBatch:
    """Satisfies ``ports.batches.WriteBatch``."""

    def __init__(
        self, access: LocalAccess, syncs: GroupSyncs, opened: ExitStack
    ) -> None:
        """Write what ``access`` allows.

        Args:
            access: The allowed folders.
            syncs: Of file systems.
            opened: Closes the folders when the batch is over.
        """
        self._access = access
        self._syncs = syncs
        self._opened = opened
        self._folders: dict[str, _Folder] = {}
        self._written: list[_Written] = []

    def write(self, location: Location, source: Source, advance: Advance) -> str:
        """See ``WriteBatch``."""
        above, _, name = location.path.rpartition("/")
        if not above or name in ("", ".", ".."):
            raise NotBatchedError
        try:
            folder = self._folders.get(above) or self._open(above)
            self._check(folder, name)
            temporary = write_temporary(
                folder.descriptor, name, source, advance, synced=folder.sync is None
            )
        except OSError as error:
            raise explain(error) from error
        self._written.append(_Written(folder, temporary, name))
        return ""

    def commit(self) -> None:
        """See ``WriteBatch``."""
        folders = {id(each.folder): each.folder for each in self._written}.values()
        try:
            for sync in {each.sync for each in folders}:
                if sync is not None:
                    sync.flush()
            while self._written:
                written = self._written.pop()
                replace(written.folder.descriptor, written.temporary, written.name)
            for folder in folders:
                sync_folder(folder.descriptor)
        except OSError as error:
            raise explain(error) from error

    def discard(self) -> None:
        """Remove what is not committed."""
        while self._written:
            written = self._written.pop()
            remove(written.folder.descriptor, written.temporary)

    def _open(self, above: str) -> _Folder:
        """Open a folder after all checks, and make it if it is missing."""
        target = self._access.resolve(above, write=True)
        # The last segment, ".", is the folder itself once more.
        inside = Target(f"{target.path}/.")
        directory, _ = self._opened.enter_context(
            self._access.parent(inside, create=True)
        )
        folder = _Folder(target, directory, self._syncs.of(directory))
        self._folders[above] = folder
        return folder

    def _check(self, folder: _Folder, name: str) -> None:
        """Refuse what a file may not replace, and links, which must be resolved."""
        try:
            found = os.stat(name, dir_fd=folder.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            found = None
        self._access.below(folder.target, name, found)
        if found is not None and stat.S_ISDIR(found.st_mode):
            raise directory_in_the_way()
        if found is not None and stat.S_ISLNK(found.st_mode):
            raise NotBatchedError


@contextmanager
def open_batch(access: LocalAccess, syncs: GroupSyncs) -> Iterator[LocalBatch]:
    """Begin a batch; what is not committed at the end of the block is removed."""
    with ExitStack() as opened:
        batch = LocalBatch(access, syncs, opened)
        try:
            yield batch
        finally:
            batch.discard()
