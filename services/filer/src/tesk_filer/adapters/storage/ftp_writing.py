"""Uploads files to FTP servers, which may forbid renaming.

A hidden file is renamed when it is complete. Drop boxes forbid renaming, deleting, or
names with a leading dot: there the file is uploaded under its own name, since a hidden
file could not be deleted.
"""

import ftplib
import os
import socket
import ssl
from contextlib import suppress

from tesk_filer.adapters.storage.directory_targets import directory_in_the_way
from tesk_filer.adapters.storage.ftp_connection import (
    FtpConnection,
    end_sending,
    reply_code,
)
from tesk_filer.adapters.storage.ftp_listing import (
    NO_ACCESS,
    UNKNOWN_COMMAND,
    enter,
    permissions_of,
    size_of,
)
from tesk_filer.adapters.storage.write_checks import folders_above, untold
from tesk_filer.domain.checks import Verdict, WriteFound
from tesk_filer.ports import Advance, Source, StorageError
from tesk_model.locations import printable

_CHUNK = 256 * 1024
_KERNEL_CHUNK = 4 * 1024 * 1024  # sent by the kernel between two checks for a stop
# Replies that refuse a command or a name: 553 is "file name not allowed".
_FORBIDDEN = NO_ACCESS | UNKNOWN_COMMAND | {"503", "532"}


def may_rename(connection: FtpConnection, folder: str) -> bool:
    """Tell whether files in ``folder``, which is made if missing, can be renamed or deleted."""
    if not enter(connection, folder):
        make_folders(connection, folder)
    perm = permissions_of(connection, folder)
    if perm is not None:
        return "p" in perm.lower()
    try:
        # Without RNTO it has no effect.
        return connection.sendcmd(f"RNFR {folder}").startswith("3")
    except ftplib.error_perm:
        return False


def check_place(connection: FtpConnection, path: str) -> WriteFound:
    """Say whether the server lets a file be written at ``path``, where it tells that.

    Raises:
        StorageError, ftplib.Error: It could not be written.

    Source:
        RFC 3659, 7.5.5: ``c``: files may be made in the directory; ``m``: directories.
    """
    _refuse_directory(connection, path)
    for depth, folder in enumerate(folders_above(path)):
        if not enter(connection, folder):
            continue
        told = permissions_of(connection, folder)
        if told is not None and ("m" if depth else "c") not in told.lower():
            message = f"access denied: nothing can be made in {printable(folder)}"
            raise StorageError(message)
        if told is None or depth:
            return untold(f"the nearest folder there is {printable(folder)}")
        message = f"files can be made in {printable(folder)}; none was"
        return WriteFound(Verdict.OK, message)
    return untold("no folder there can be entered")


def store(
    connection: FtpConnection,
    path: str,
    source: Source,
    advance: Advance,
    incomplete: set[str],
) -> None:
    """Upload a file to ``path`` and verify its size.

    Args:
        connection: To the server.
        path: Absolute.
        source: The file.
        advance: Called with progress.
        incomplete: Holds ``path`` while the file is not complete. It does not if the
            server refuses the name: an existing file is another one.

    Raises:
        StorageError, ftplib.Error, OSError: The upload failed.
    """
    folder = path.rpartition("/")[0] or "/"
    with _begin(connection, path, folder) as data:
        incomplete.add(path)
        _send(data, source, advance)
        end_sending(data)
        connection.voidresp()
    _verify(connection, path, source.size)
    incomplete.discard(path)


def store_and_rename(
    connection: FtpConnection,
    names: tuple[str, str],
    source: Source,
    advance: Advance,
    incomplete: set[str],
) -> bool:
    """Upload a hidden file and rename it; tell whether the server allows both.

    Args:
        connection: To the server.
        names: Absolute paths of the hidden file and of the file.
        source: The file.
        advance: Called with progress.
        incomplete: Holds the hidden path while it is to be removed.
    """
    hidden, path = names
    incomplete.add(hidden)  # a data connection may fail when the file is made already
    try:
        store(connection, hidden, source, advance, incomplete)
    except ftplib.error_perm as error:
        if reply_code(error) not in _FORBIDDEN:
            raise
        with suppress(ftplib.error_perm):
            connection.delete(hidden)
        incomplete.clear()
        return False  # a name with a dot in front
    incomplete.add(hidden)
    if _rename(connection, hidden, path):
        incomplete.clear()
        return True
    with suppress(ftplib.error_perm):
        connection.delete(hidden)
    incomplete.clear()
    advance(-source.size)
    return False


def _rename(connection: FtpConnection, hidden: str, path: str) -> bool:
    """Rename a complete file; tell whether the server allows it."""
    try:
        connection.rename(hidden, path)
    except ftplib.error_perm as error:
        if reply_code(error) not in _FORBIDDEN:
            raise
    else:
        return True
    _refuse_directory(connection, path)
    with suppress(ftplib.error_perm):  # some servers do not rename onto a file
        connection.delete(path)
        connection.rename(hidden, path)
        return True
    return False


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
        _refuse_directory(connection, path)
        make_folders(connection, folder)
        return connection.transfercmd(f"STOR {path}")


def _refuse_directory(connection: FtpConnection, path: str) -> None:
    """Raise StorageError if what the server refuses to write is a directory."""
    if enter(connection, path):
        raise directory_in_the_way()


def _verify(connection: FtpConnection, path: str, size: int) -> None:
    there = size_of(connection, path)
    if there is not None and there != size:
        message = f"{there} of {size} bytes arrived"
        raise StorageError(message, transient=True)


def _send(data: socket.socket, source: Source, advance: Advance) -> None:
    os.lseek(source.descriptor, 0, os.SEEK_SET)
    by_kernel = not isinstance(data, ssl.SSLSocket) and source.size > _CHUNK
    file = _Descriptor(source.descriptor)
    offset = 0
    while offset < source.size:
        size = min(_CHUNK, source.size - offset)
        if by_kernel:
            size = min(_KERNEL_CHUNK, source.size - offset)
            # It waits for the socket, with its timeout; the type asks for a file.
            sent = data.sendfile(file, offset, size)  # type: ignore[arg-type]
        else:
            chunk = os.read(source.descriptor, size)
            data.sendall(chunk)
            sent = len(chunk)
        if not sent:
            raise StorageError("became shorter while it was sent", transient=True)
        offset += sent
        advance(sent)


class _Descriptor:
    """A descriptor as ``socket.sendfile`` wants it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor
