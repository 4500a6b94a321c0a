"""Writes whole file systems to their disks: once for many small files.

A file that is synced by itself costs a commit of the file system's journal and a flush
of the disk. syncfs(2) costs both once, for all that was written before it.

It is a promise where the kernel itself puts a file system on a disk, and tells errors:
those that another machine or process serves may not be asked by it at all, and layers
above others may lose what went wrong below.

Source:
    syncfs(2): "In mainline kernel versions prior to Linux 5.8, syncfs() will fail only
    when passed a bad file descriptor". statfs(2): magic numbers.
"""

import ctypes
import errno
import os
import re
import threading
from collections.abc import Callable

_MAGICS = frozenset({0xEF53, 0x58465342, 0x9123683E})  # ext2 to ext4, XFS, btrfs
_UNKNOWN = frozenset({errno.ENOSYS, errno.EPERM})  # to the kernel, or to a sandbox
_TELLS_ERRORS = (5, 8)  # of Linux
_STATFS_BYTES = 256  # the structure has 120
_WORD_BYTES = 8  # of what it begins with, where Linux has 64 bits


def sync_file_system(descriptor: int) -> bool:
    """Write the file system of an open file to its disk; tell whether that is done."""
    try:
        return write_file_system(descriptor)
    except OSError:
        return False


def write_file_system(descriptor: int) -> bool:
    """Write the file system of an open file to its disk; False if that is unknown here.

    Raises:
        OSError: Something could not be written since the file was opened.
    """
    sync = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if sync is None:
        return False
    if not sync(descriptor):
        return True
    number = ctypes.get_errno()
    if number in _UNKNOWN:
        return False
    raise OSError(number, os.strerror(number))


def syncs_reliably(descriptor: int) -> bool:
    """Tell whether ``sync_file_system`` makes durable what is beside an open file."""
    found = re.match(r"(\d+)\.(\d+)", os.uname().release)
    if found is None or tuple(map(int, found.groups())) < _TELLS_ERRORS:
        return False
    read_status = getattr(ctypes.CDLL(None), "fstatfs", None)
    if read_status is None or ctypes.sizeof(ctypes.c_long) != _WORD_BYTES:
        return False
    status = ctypes.create_string_buffer(_STATFS_BYTES)
    if read_status(descriptor, status):
        return False
    return ctypes.c_long.from_buffer(status).value in _MAGICS


class GroupSync:
    """Makes durable what many threads write to one file system; thread-safe.

    Calls that come while a sync runs share the next one.

    Attributes:
        asked: How often ``flush`` was called.
        has_failed: Nothing can be synced by this any more.
    """

    def __init__(self, descriptor: int, sync: Callable[[int], bool]) -> None:
        """Sync by an open file or directory, which this owns from now on.

        Args:
            descriptor: Opened before anything is written that counts on this: it is told
                of errors since then.
            sync: Writes its file system to the disk; tells whether it did.
        """
        self._descriptor = descriptor
        self._sync = sync
        self._asking = threading.Lock()
        self._syncing = threading.Lock()
        self.asked = 0
        self._covered = 0
        self.has_failed = False

    def flush(self) -> None:
        """Return when all that was written before the call is on the disk.

        Raises:
            OSError: Something is not; nobody tells which file. All later calls raise,
                too: an error is told once, and may be of what another thread wrote.
        """
        with self._asking:
            self.asked += 1
            mine = self.asked
        with self._syncing:
            if self._covered < mine and not self.has_failed:
                with self._asking:
                    covered = self.asked
                self.has_failed = not self._sync(self._descriptor)
                self._covered = covered
            if self.has_failed:
                raise OSError(errno.EIO, os.strerror(errno.EIO))

    def __del__(self) -> None:
        """Close the descriptor."""
        os.close(self._descriptor)
