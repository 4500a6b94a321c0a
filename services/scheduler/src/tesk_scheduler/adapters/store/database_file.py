"""Checks that the open SQLite database is the one that a restart would find.

A file that was removed or replaced stays open: writes succeed, and are lost
when the process ends. So the inodes at the paths are compared with those that
were opened; of the write-ahead log as well, which holds what is not in the
database yet.
"""

import os
import sqlite3
from pathlib import Path
from typing import NamedTuple

from tesk_model.errors import UnavailableError

# Bytes; a disk with less has no space for the next batch of tasks.
_LEAST_FREE = 16 * 1024 * 1024


class _Identity(NamedTuple):
    device: int
    inode: int


class DatabaseFile:
    """Checks the files of one database by their metadata.

    Opening and closing them here would drop the locks of SQLite.
    """

    def __init__(self, path: Path) -> None:
        """Remember the inodes at ``path`` as those that are open."""
        self._path = path
        self._log = path.with_name(f"{path.name}-wal")
        # Keeps the log there: the last connection that is closed removes it.
        self._connection = sqlite3.connect(path, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
        self._opened = {each: _identity(each) for each in (self._path, self._log)}

    def check(self) -> None:
        """Return if a restart would find what is written now.

        Raises:
            UnavailableError: A file was removed or replaced.
        """
        for path, opened in self._opened.items():
            if _identity(path) != opened:
                msg = (
                    f"{path.name} was removed or replaced while it was in use; "
                    "restart the scheduler to use what is there now"
                )
                raise UnavailableError(msg)

    def check_space(self) -> None:
        """Return if the disk has space.

        Raises:
            UnavailableError: It is full.
        """
        filesystem = os.statvfs(self._path.parent)
        blocks = filesystem.f_bfree if os.geteuid() == 0 else filesystem.f_bavail
        if blocks * filesystem.f_frsize < _LEAST_FREE:
            raise UnavailableError("the disk of the database is full")

    def close(self) -> None:
        """Close the files."""
        self._connection.close()


def _identity(path: Path) -> _Identity | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return _Identity(status.st_dev, status.st_ino)
