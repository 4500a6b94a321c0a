"""Whether the open SQLite database is the one that a restart would find.

A file that was removed or replaced stays open: writes succeed, and are lost
when the process ends. So the files at the paths are compared with those that
were opened, by what they are and not by name. The write-ahead log counts as
well: it holds what is not in the database yet.
"""

import os
import sqlite3
from pathlib import Path
from typing import NamedTuple

from tesk_model.errors import UnavailableError

# A disk with less than this has no room for the next batch of tasks.
_LEAST_FREE = 16 * 1024 * 1024


class _Identity(NamedTuple):
    device: int
    inode: int


class DatabaseFile:
    """The files of one database; only their metadata is looked at.

    Opening and closing them here would drop the locks of SQLite.
    """

    def __init__(self, path: Path) -> None:
        """Take what is at ``path`` now for what is open."""
        self._path = path
        self._log = path.with_name(f"{path.name}-wal")
        # Keeps the log there: the last connection that is closed removes it.
        self._connection = sqlite3.connect(path, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
        self._opened = {each: _identity(each) for each in (self._path, self._log)}

    def check(self) -> None:
        """Return if what is written now would be found by a restart.

        Raises:
            UnavailableError: Somebody removed or replaced a file.
        """
        for path, opened in self._opened.items():
            if _identity(path) != opened:
                msg = (
                    f"{path.name} was removed or replaced while it was in use; "
                    "restart the scheduler to use what is there now"
                )
                raise UnavailableError(msg)

    def check_room(self) -> None:
        """Return if there is room on the disk.

        Raises:
            UnavailableError: There is none.
        """
        room = os.statvfs(self._path.parent)
        blocks = room.f_bfree if os.geteuid() == 0 else room.f_bavail
        if blocks * room.f_frsize < _LEAST_FREE:
            raise UnavailableError("the disk of the database is full")

    def close(self) -> None:
        """Let go of the files."""
        self._connection.close()


def _identity(path: Path) -> _Identity | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return _Identity(status.st_dev, status.st_ino)
