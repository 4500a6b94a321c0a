"""Putting a file on an FTP server, whatever the server forbids.

A hidden file is renamed when it is complete. Drop boxes forbid renaming,
deleting, or names with a leading dot: there the file is sent under its own name
at once, for what may not be deleted must not be left behind.
"""

import ftplib
import os
import socket
from collections.abc import Callable
from contextlib import suppress

from tesk_filer.adapters.storage.ftp_connections import FtpConnection, reply_code
from tesk_filer.adapters.storage.ftp_listing import (
    NO_ACCESS,
    UNKNOWN_COMMAND,
    enter,
    permissions_of,
    size_of,
)
from tesk_filer.ports import Advance, Source, StorageError

_CHUNK = 256 * 1024
# What says no to a command or a name: 553 is "file name not allowed".
_FORBIDDEN = NO_ACCESS | UNKNOWN_COMMAND | {"503", "532"}


def may_rename(connection: FtpConnection, folder: str) -> bool:
    """Tell whether files in ``folder``, which is made, can be renamed or deleted."""
    if not enter(connection, folder):
        make_folders(connection, folder)
    perm = permissions_of(connection, folder)
    if perm is not None:
        return "p" in perm.lower()
    try:
        # Followed by no RNTO it renames nothing.
        return connection.sendcmd(f"RNFR {folder}").startswith("3")
    except ftplib.error_perm:
        return False


def store(
    connection: FtpConnection,
    path: str,
    source: Source,
    advance: Advance,
    undo: Callable[[str], None],
) -> None:
    """Send a file to ``path`` and see that it is there, complete.

    Args:
        connection: To the server.
        path: Absolute.
        source: The file.
        advance: Told of progress.
        undo: Removes what was begun. Not called if the server refuses the name:
            what is there then is not ours.

    Raises:
        StorageError, ftplib.Error, OSError: It is not.
    """
    folder = path.rpartition("/")[0] or "/"
    data = _begin(connection, path, folder)
    try:
        with data:
            _send(data, source, advance)
        connection.voidresp()
        _verify(connection, path, source.size)
    except BaseException:
        undo(path)
        raise


def rename(connection: FtpConnection, hidden: str, path: str) -> bool:
    """Give a complete file its name; tell whether the server lets us."""
    try:
        connection.rename(hidden, path)
    except ftplib.error_perm as error:
        if reply_code(error) not in _FORBIDDEN:
            raise
    else:
        return True
    with suppress(ftplib.error_perm):  # some servers do not rename onto a file
        connection.delete(path)
        connection.rename(hidden, path)
        return True
    return False


def is_forbidden(error: ftplib.error_perm) -> bool:
    """Tell whether a server refuses a name or a command, for good."""
    return reply_code(error) in _FORBIDDEN


def make_folders(connection: FtpConnection, path: str) -> None:
    """Make a directory and those above it."""
    segments = [segment for segment in path.split("/") if segment]
    for end in range(1, len(segments) + 1):
        with suppress(ftplib.error_perm):  # it exists; if not, what follows fails
            connection.mkd("/" + "/".join(segments[:end]))


def _begin(connection: FtpConnection, path: str, folder: str) -> socket.socket:
    try:
        return connection.transfercmd(f"STOR {path}")
    except ftplib.error_perm as error:
        if reply_code(error) not in NO_ACCESS:
            raise
        make_folders(connection, folder)
        return connection.transfercmd(f"STOR {path}")


def _verify(connection: FtpConnection, path: str, size: int) -> None:
    there = size_of(connection, path)
    if there is not None and there != size:
        message = f"{there} of {size} bytes arrived"
        raise StorageError(message, transient=True)


def _send(data: socket.socket, source: Source, advance: Advance) -> None:
    os.lseek(source.descriptor, 0, os.SEEK_SET)
    left = source.size
    while left:
        chunk = os.read(source.descriptor, min(_CHUNK, left))
        if not chunk:
            raise StorageError("became shorter while it was sent", transient=True)
        data.sendall(chunk)
        left -= len(chunk)
        advance(len(chunk))
