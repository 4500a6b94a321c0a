"""Sorts what lies in a folder of this machine, for a listing.

A folder is listed without following links; each is resolved, and must lead to a place
that is allowed.
"""

import os
import stat

from tesk_filer.adapters.storage.local_access import (
    LocalAccess,
    ProtectedError,
    Target,
    explain,
)
from tesk_filer.ports import Entry, StorageError
from tesk_model.locations import printable

SEPARATOR = "\0"
"""Of the parts of a cursor; in no path."""


class FolderListing:
    """Sorts the entries of one folder into files, folders and omissions.

    What is not a link is inspected in the open folder; only a link is resolved.

    Attributes:
        is_empty: Whether nothing was added.
        entries: The files.
        folders: Where the listing goes on: parts of a cursor.
        notes: What was left out, and why.
    """

    def __init__(
        self,
        access: LocalAccess,
        folder: Target,
        relative: str,
        chain: tuple[str, ...],
    ) -> None:
        """Begin without entries.

        Args:
            access: What is allowed.
            folder: The folder.
            relative: Its name below what is listed; "" for that itself.
            chain: Identities of the folders from there to it.
        """
        self._access = access
        self._folder = folder
        self._relative = relative
        self._chain = chain
        self.is_empty = True
        self.entries: list[Entry] = []
        self.folders: list[str] = []
        self.notes: list[str] = []

    def add(self, name: str, folder: int) -> None:
        """Add ``name``, an entry of the open ``folder``."""
        self.is_empty = False
        relative = f"{self._relative}/{name}" if self._relative else name
        shown = printable(relative)
        try:
            target, found = self._find(name, folder)
        except ProtectedError as error:
            self.notes.append(f"{shown} is left out: {error.message}")
        except FileNotFoundError:
            self.notes.append(f"{shown} is a link to nothing, left out")
        except StorageError as error:
            # The folder itself is allowed, but the link leads out of it.
            message = f"holds the link {shown}, which {error.message}"
            raise StorageError(message, transient=error.transient) from error
        else:
            self._sort(relative, target, found)

    def _sort(self, relative: str, target: Target, found: os.stat_result) -> None:
        if stat.S_ISDIR(found.st_mode) and identity_of(found) in self._chain:
            note = f"{printable(relative)} is a symlink cycle, left out"
            self.notes.append(note)
        elif stat.S_ISDIR(found.st_mode):
            path, own = target.path, str(target.own_until)
            self.folders.append(SEPARATOR.join([relative, path, own, *self._chain]))
        elif stat.S_ISREG(found.st_mode):
            self.entries.append(
                Entry(name=relative, size=found.st_size, etag=etag_of(found))
            )
        else:
            self.notes.append(f"{printable(relative)} is not a regular file, left out")

    def _find(self, name: str, folder: int) -> tuple[Target, os.stat_result]:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        target = self._access.below(self._folder, name, found)
        if not stat.S_ISLNK(found.st_mode):
            return target, found
        target = self._access.resolve(target.path)
        try:
            with self._access.parent(target) as (directory, last):
                return target, os.stat(last, dir_fd=directory, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise FileNotFoundError from error
        except OSError as error:
            raise explain(error) from error


def identity_of(found: os.stat_result) -> str:
    """Return the identity of a folder, the same for all its paths."""
    return f"{found.st_dev:x}:{found.st_ino:x}"


def etag_of(found: os.stat_result) -> str:
    """Return what changes when the content of a file does."""
    return f"{found.st_ino:x}-{found.st_size:x}-{found.st_mtime_ns:x}"
