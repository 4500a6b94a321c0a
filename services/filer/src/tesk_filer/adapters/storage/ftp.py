"""``ftp://``: files and directories, anonymous or with user and password.

Built on the standard library rather than smart_open, which logs in again for
each file and does not read the server's final reply to a download.
"""

import ftplib
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tesk_filer.adapters.storage.cursors import prepend
from tesk_filer.adapters.storage.ftp_connections import (
    FtpConnection,
    FtpConnections,
    translated_errors,
)
from tesk_filer.adapters.storage.ftp_listing import (
    identity_of,
    list_directory,
    read_error,
    size_of,
    stat_of,
)
from tesk_filer.adapters.storage.ftp_writing import (
    is_forbidden,
    make_folders,
    may_rename,
    rename,
    store,
)
from tesk_filer.adapters.storage.setting_credentials import SettingCredentials
from tesk_filer.adapters.storage.storage_config import StorageConfig, Timeouts
from tesk_filer.adapters.volume import temporary_name
from tesk_filer.ports import (
    NO_CHECKSUMS,
    Advance,
    ChangedError,
    Credentials,
    Cursor,
    Entry,
    Page,
    Part,
    Source,
    Stat,
    StorageError,
)
from tesk_model.locations import Location, printable

_CHUNK = 256 * 1024
_NO_CREDENTIALS = SettingCredentials()
_SEPARATOR = "\0"  # between a directory and those above it; not in names


class FtpStorage:
    """Files on FTP servers, in passive mode."""

    def __init__(
        self, timeouts: Timeouts, credentials: Credentials = _NO_CREDENTIALS
    ) -> None:
        """Give up on a server that does not respond."""
        self._connections = FtpConnections(timeouts, credentials)
        # Folders in which nothing can be renamed, or everything: by their urls.
        self._renames: dict[tuple[str, int | None, str | None, str], bool] = {}

    def stat(self, location: Location) -> Stat | None:
        """See ``Storage``."""
        with self._connections.lend(location) as connection:
            return stat_of(connection, connection.absolute_path(location.path))

    def list(self, location: Location, cursor: Cursor = ()) -> Page:
        """See ``Storage``; each page is one directory of the server.

        A directory that is one of those above it is left out: it is a symlink cycle.
        """
        here, pending = cursor or ("", ())
        relative, *above = here.split(_SEPARATOR)
        with self._connections.lend(location) as connection:
            top = connection.absolute_path(location.path)
            folder = f"{top.rstrip('/')}/{relative}" if relative else top
            own = above.pop() if above else ""
            own = own or identity_of(connection, folder)
            if own and own in above:
                note = f"{printable(relative)} is a symlink cycle, left out"
                return Page([], pending, [note])
            listed = list_directory(connection, folder)
        chain = [*above, own]
        entries: list[Entry] = []
        folders: list[str] = []
        for name, stat in sorted(listed.found.items()):
            below = f"{relative}/{name}" if relative else name
            if stat.is_directory:
                identity = listed.identities.get(name, "")
                folders.append(_SEPARATOR.join([below, *chain, identity]))
            else:
                entries.append(Entry(name=below, size=stat.size))
        if not listed.found and relative:
            entries.append(Entry(name=relative, is_directory=True))
        return Page(
            entries,
            prepend(folders, pending),
            listed.notes,
            directory=own or folder,
            depth=len(above),
        )

    @contextmanager
    def open(
        self, location: Location, *, part: Part | None = None, known: Stat | None = None
    ) -> Iterator["_Download"]:
        """See ``Storage``."""
        with self._connections.lend(location) as connection:
            path = connection.absolute_path(location.path)
            size = size_of(connection, path)
            if known and known.size is not None and size not in (None, known.size):
                raise ChangedError
            start = part.start if part else 0
            try:
                data, announced = connection.ntransfercmd(
                    f"RETR {path}", rest=start or None
                )
            except ftplib.error_perm as error:
                raise read_error(connection, path, error) from error
            with data:
                download = _Download(
                    connection, data, announced if size is None else size, part
                )
                yield download
            if not download.ended:
                connection.close()  # unread data would corrupt the next transfer

    def write(self, location: Location, source: Source, advance: Advance) -> None:
        """See ``Storage``; a hidden file is renamed where the server allows it."""
        with self._connections.lend(location) as connection:
            path = connection.absolute_path(location.path)
            folder = path.rpartition("/")[0]
            if self._can_rename(connection, location, folder or "/"):
                hidden = f"{folder}/{temporary_name(path, source.tag)}"
                if self._store_and_rename(
                    connection, location, (hidden, path), source, advance
                ):
                    return
                self._renames[_key(location, folder or "/")] = False
            store(connection, path, source, advance, self._make_discard(location))

    def make_directory(self, location: Location) -> None:
        """See ``Storage``."""
        with self._connections.lend(location) as connection:
            make_folders(connection, connection.absolute_path(location.path))

    def close(self) -> None:
        """Close all connections."""
        self._connections.close()

    def _can_rename(
        self, connection: FtpConnection, location: Location, folder: str
    ) -> bool:
        key = _key(location, folder)
        if key not in self._renames:
            self._renames[key] = may_rename(connection, folder)
        return self._renames[key]

    def _store_and_rename(
        self,
        connection: FtpConnection,
        location: Location,
        names: tuple[str, str],
        source: Source,
        advance: Advance,
    ) -> bool:
        """Upload a hidden file and rename it; tell whether the server allows both."""
        hidden, path = names
        discard = self._make_discard(location)
        try:
            store(connection, hidden, source, advance, discard)
        except ftplib.error_perm as error:
            if not is_forbidden(error):
                raise
            return False  # a name with a dot in front
        try:
            if rename(connection, hidden, path):
                return True
        except BaseException:
            discard(hidden)
            raise
        with suppress(ftplib.error_perm):
            connection.delete(hidden)
        advance(-source.size)
        return False

    def _make_discard(self, location: Location) -> Callable[[str], None]:
        def discard(path: str) -> None:
            # By another connection: the first may still wait for the end of data.
            with suppress(StorageError), self._connections.lend(location) as other:
                other.delete(path)

        return discard


def open_storage(config: StorageConfig) -> FtpStorage:
    """Return the storage of ftp."""
    return FtpStorage(config.timeouts, config.credentials)


def _key(location: Location, folder: str) -> tuple[str, int | None, str | None, str]:
    return location.host, location.port, location.user, folder


class _Download:
    """A file that is downloaded; satisfies ``ports.Reader``."""

    etag = ""
    checksums = NO_CHECKSUMS
    executable = False
    descriptor = None
    has_parts = False  # nothing says whether two are of one content

    def __init__(
        self,
        connection: FtpConnection,
        data: socket.socket,
        size: int | None,
        part: Part | None,
    ) -> None:
        self._connection = connection
        self._data = data
        self._left = part.stop - part.start if part else None
        self.size = size
        self.ended = False

    def read(self, size: int) -> bytes:
        if self._left is not None:
            data = self._receive(min(size, self._left)) if self._left else b""
            self._left -= len(data)
            return data
        return self._receive(size)

    def _receive(self, size: int) -> bytes:
        with translated_errors():
            received = b"" if self.ended else self._data.recv(min(size, _CHUNK))
            if not received and not self.ended:
                self.ended = True
                self._data.close()
                self._connection.voidresp()  # the server confirms the end
            return received
