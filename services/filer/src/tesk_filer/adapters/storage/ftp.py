"""``ftp://``: files and directories, anonymous or with user and password.

Built on the standard library rather than smart_open, which logs in again for
each file and does not read the server's last word on a download.
"""

import ftplib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import MappingProxyType

from tesk_filer.adapters.storage.ftp_connections import (
    BINARY,
    FtpConnections,
    explained,
    reply_code,
)
from tesk_filer.adapters.storage.logins import Logins
from tesk_filer.adapters.storage.network import Timeouts
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

_CHUNK = 256 * 1024
_UNKNOWN_COMMAND = frozenset({"500", "501", "502", "504"})
_NO_ACCESS = frozenset({"550", "553"})
_NOBODY: Logins = MappingProxyType({})
_DONE = "2"  # the first digit of a reply that ends a transfer well


class FtpStorage:
    """Files on FTP servers, in passive mode."""

    def __init__(self, timeouts: Timeouts, logins: Logins = _NOBODY) -> None:
        """Give up on a server that is silent for too long."""
        self._connections = FtpConnections(timeouts, logins)

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
        location = parse_url(url)
        with self._connections.lend(location) as connection:
            return _stat(connection, location.path)

    def list(self, url: str, cursor: Cursor = ()) -> Page:
        """See ``Storage``; each page is one directory of the server."""
        location = parse_url(url)
        *pending, relative = cursor or ("",)
        path = location.path.rstrip("/")
        folder = f"{path}/{relative}" if relative else path or "/"
        with self._connections.lend(location) as connection:
            found = _list(connection, folder)
        entries: list[Entry] = []
        folders: list[str] = []
        for name, stat in sorted(found.items()):
            below = f"{relative}/{name}" if relative else name
            if stat.is_directory:
                folders.append(below)
            else:
                entries.append(Entry(name=below, size=stat.size))
        if not found and relative:
            entries.append(Entry(name=relative, is_directory=True))
        return Page(entries, (*pending, *reversed(folders)))

    @contextmanager
    def open(self, url: str, *, offset: int = 0) -> Iterator["_Download"]:
        """See ``Storage``."""
        location = parse_url(url)
        with self._connections.lend(location) as connection:
            size = _size(connection, location.path)
            try:
                data, announced = connection.ntransfercmd(
                    f"RETR {location.path}", rest=offset or None
                )
            except ftplib.error_perm as error:
                raise _refusal(connection, location.path, error) from error
            with data:
                download = _Download(
                    connection, data, announced if size is None else size
                )
                yield download
            if not download.ended:
                connection.close()  # what it still sends would confuse the next

    def write(self, url: str, source: Source, advance: Advance) -> None:
        """See ``Storage``; a hidden file is renamed when it is complete."""
        path = parse_url(url).path
        if path.endswith("/"):
            raise StorageError("ends in a slash; a file needs a name")
        folder = path.rpartition("/")[0]
        hidden = f"{folder}/{temporary_name(path, source.tag)}"
        with self._connections.lend(parse_url(url)) as connection:
            data = _begin_store(connection, hidden, folder)
            try:
                with data:
                    _send(data, source, advance)
                connection.voidresp()
                _verify(connection, hidden, source.size)
                _rename(connection, hidden, path)
            except BaseException:
                self._discard(url, hidden)
                raise

    def make_directory(self, url: str) -> None:
        """See ``Storage``."""
        location = parse_url(url)
        with self._connections.lend(location) as connection:
            _make_folders(connection, location.path.rstrip("/"))

    def close(self) -> None:
        """Close all connections."""
        self._connections.close()

    def _discard(self, url: str, hidden: str) -> None:
        # By another connection: the first may still wait for the end of data.
        with suppress(StorageError), self._connections.lend(parse_url(url)) as other:
            other.delete(hidden)


class _Download:
    """A file that arrives; satisfies ``ports.Reader``."""

    etag = ""
    executable = False
    descriptor = None

    def __init__(
        self, connection: ftplib.FTP, data: socket.socket, size: int | None
    ) -> None:
        self._connection = connection
        self._data = data
        self.size = size
        self.ended = False

    def read(self, size: int) -> bytes:
        with explained():
            received = b"" if self.ended else self._data.recv(min(size, _CHUNK))
            if not received and not self.ended:
                self.ended = True
                self._data.close()
                self._connection.voidresp()  # the server says whether that was all
            return received


def _stat(connection: ftplib.FTP, path: str) -> Stat | None:
    size = _size(connection, path)
    if size is not None:
        return Stat(size=size)
    try:
        connection.cwd(path)
    except ftplib.error_perm as error:
        if reply_code(error) in _NO_ACCESS:
            return None
        raise
    connection.cwd("/")
    return Stat(is_directory=True)


def _size(connection: ftplib.FTP, path: str) -> int | None:
    """Return the size of a file; None if it is none or the server cannot tell."""
    try:
        return connection.size(path)
    except ftplib.error_perm:
        return None


def _list(connection: ftplib.FTP, folder: str) -> dict[str, Stat]:
    try:
        facts = list(connection.mlsd(folder))
    except ftplib.error_perm as error:
        if reply_code(error) in _UNKNOWN_COMMAND:
            return _list_names(connection, folder)
        raise _refusal(connection, folder, error) from error
    connection.voidcmd(BINARY)  # for SIZE, which text mode refuses
    found = {}
    for name, fact in facts:
        kind = fact.get("type", "").lower()
        if kind in ("cdir", "pdir") or name in (".", ".."):
            continue
        if kind == "dir":
            found[name] = Stat(is_directory=True)
        elif kind == "file":
            size = fact.get("size", "")
            found[name] = Stat(size=int(size) if size.isdecimal() else None)
        else:  # a link, say
            found[name] = _look(connection, folder, name)
    return found


def _list_names(connection: ftplib.FTP, folder: str) -> dict[str, Stat]:
    """List on a server without MLSD.

    LIST is meant for people and each server writes it its own way, so we ask
    for the names and look at each.
    """
    try:
        lines = connection.nlst(folder)
    except ftplib.error_perm as error:
        stat = _stat(connection, folder)
        if stat is not None and stat.is_directory:
            return {}  # servers refuse to list what is empty
        raise _refusal(connection, folder, error) from error
    connection.voidcmd(BINARY)
    names = {line.rstrip("/").rpartition("/")[2] for line in lines} - {"", ".", ".."}
    return {name: _look(connection, folder, name) for name in names}


def _look(connection: ftplib.FTP, folder: str, name: str) -> Stat:
    stat = _stat(connection, f"{folder.rstrip('/')}/{name}")
    if stat is None:
        message = f"holds {printable(name)}, which is neither file nor directory"
        raise StorageError(message)
    return stat


def _begin_store(connection: ftplib.FTP, path: str, folder: str) -> socket.socket:
    try:
        return connection.transfercmd(f"STOR {path}")
    except ftplib.error_perm as error:
        if reply_code(error) not in _NO_ACCESS:
            raise
        _make_folders(connection, folder)
        return connection.transfercmd(f"STOR {path}")


def _make_folders(connection: ftplib.FTP, path: str) -> None:
    segments = [segment for segment in path.split("/") if segment]
    for end in range(1, len(segments) + 1):
        with suppress(ftplib.error_perm):  # it exists; if not, what follows fails
            connection.mkd("/" + "/".join(segments[:end]))


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


def _verify(connection: ftplib.FTP, path: str, size: int) -> None:
    there = _size(connection, path)
    if there is not None and there != size:
        message = f"{there} of {size} bytes arrived"
        raise StorageError(message, transient=True)


def _rename(connection: ftplib.FTP, hidden: str, path: str) -> None:
    try:
        connection.rename(hidden, path)
    except ftplib.error_perm:
        connection.delete(path)  # some servers do not rename onto a file
        connection.rename(hidden, path)


def _refusal(
    connection: ftplib.FTP, path: str, error: ftplib.error_perm
) -> StorageError:
    """Say what a server means that refuses to read ``path``."""
    if reply_code(error) not in _NO_ACCESS:
        return StorageError(f"the server refuses ({reply_code(error)})")
    stat = _stat(connection, path)
    if stat is None:
        return StorageError("does not exist, or access denied (550)")
    if stat.is_directory:
        return StorageError("is a directory; give the input type DIRECTORY")
    return StorageError("access denied (550)")
