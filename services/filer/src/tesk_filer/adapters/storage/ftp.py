"""``ftp://``, ``ftps://``: files and directories, anonymous or with user and password.

Built on the standard library rather than smart_open, which logs in again for
each file and does not read the server's final reply to a download.
"""

import ftplib
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tesk_filer.adapters.storage.cursors import prepend
from tesk_filer.adapters.storage.egress import Egress
from tesk_filer.adapters.storage.ftp_connection import FtpConnection
from tesk_filer.adapters.storage.ftp_connections import (
    FtpConnections,
)
from tesk_filer.adapters.storage.ftp_download import FtpDownload, changed_at
from tesk_filer.adapters.storage.ftp_listing import (
    identity_of,
    list_directory,
    read_error,
    size_of,
    stat_of,
)
from tesk_filer.adapters.storage.ftp_writing import (
    check_place,
    make_folders,
    may_rename,
    store,
    store_and_rename,
)
from tesk_filer.adapters.storage.setting_credentials import SettingCredentials
from tesk_filer.adapters.storage.small_files import SMALL
from tesk_filer.adapters.storage.storage_config import StorageConfig, Timeouts
from tesk_filer.adapters.temporary_names import temporary_name
from tesk_filer.domain.checks import WriteFound
from tesk_filer.ports import (
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

_NO_CREDENTIALS = SettingCredentials()
_SEPARATOR = "\0"  # between a directory and those above it; not in names

_FolderKey = tuple[str, int | None, str | None, str]
"""Host, port, user, and path of a folder."""


class FtpStorage:
    """Files on FTP servers, in passive mode."""

    def __init__(
        self,
        timeouts: Timeouts,
        *,
        egress: Egress,
        credentials: Credentials = _NO_CREDENTIALS,
        ca_file: str = "",
    ) -> None:
        """Give up on a server that does not respond; see ``FtpConnections``."""
        self._connections = FtpConnections(
            timeouts=timeouts, egress=egress, credentials=credentials, ca_file=ca_file
        )
        # Folders in which nothing can be renamed, or everything.
        self._renames: dict[_FolderKey, bool] = {}

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
    ) -> Iterator[FtpDownload]:
        """See ``Storage``."""
        with self._connections.lend(location) as connection:
            path = connection.absolute_path(location.path)
            size = known.size if known else None
            if size is None:
                size = size_of(connection, path)
            # Small files are asked for nothing more: it would double their time.
            is_small = size is not None and size <= SMALL
            changed = "" if is_small else changed_at(connection, path)
            start = part.start if part else 0
            try:
                data, announced = connection.ntransfercmd(
                    f"RETR {path}", rest=start or None
                )
            except ftplib.error_perm as error:
                raise read_error(connection, path, error) from error
            if known and known.size is not None and announced not in (None, known.size):
                data.close()
                raise ChangedError
            with data:
                download = FtpDownload(
                    connection,
                    data,
                    path=path,
                    found=Stat(size=announced if size is None else size, etag=changed),
                    part=part,
                    is_known=known is not None,
                )
                yield download
            if not download.ended:
                connection.close()  # unread data would corrupt the next transfer

    def write(self, location: Location, source: Source, advance: Advance) -> str:
        """See ``Storage``; a hidden file is renamed where the server allows it."""
        incomplete: set[str] = set()
        try:
            with self._connections.lend(location) as connection:
                self._write(connection, location, source, advance, incomplete)
        except BaseException:
            # By another connection: that one may still wait for the end of data.
            with suppress(StorageError), self._connections.lend(location) as connection:
                for path in incomplete:
                    connection.delete(path)
            raise
        return ""

    def check_write(self, location: Location) -> WriteFound:
        """See ``usecases.checks.ChecksWrites``."""
        with self._connections.lend(location) as connection:
            return check_place(connection, connection.absolute_path(location.path))

    def make_directory(self, location: Location) -> None:
        """See ``Storage``."""
        with self._connections.lend(location) as connection:
            make_folders(connection, connection.absolute_path(location.path))

    def close(self) -> None:
        """Close all connections."""
        self._connections.close()

    def _write(
        self,
        connection: FtpConnection,
        location: Location,
        source: Source,
        advance: Advance,
        incomplete: set[str],
    ) -> None:
        path = connection.absolute_path(location.path)
        folder = path.rpartition("/")[0]
        key = location.host, location.port, location.user, folder
        if key not in self._renames:
            self._renames[key] = may_rename(connection, folder or "/")
        if self._renames[key]:
            hidden = f"{folder}/{temporary_name(path, source.tag)}"
            if store_and_rename(
                connection, (hidden, path), source, advance, incomplete
            ):
                return
            self._renames[key] = False
        store(connection, path, source, advance, incomplete)


def open_storage(config: StorageConfig) -> FtpStorage:
    """Return the storage of ftp and ftps."""
    return FtpStorage(
        config.timeouts,
        egress=config.egress,
        credentials=config.credentials,
        ca_file=config.server_trust.ftps_ca,
    )
