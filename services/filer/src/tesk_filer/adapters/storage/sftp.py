"""``sftp://``: files and directories over SSH, with user and key or password."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress

from tesk_filer.adapters.storage.cursors import prepend
from tesk_filer.adapters.storage.egress import Egress
from tesk_filer.adapters.storage.sftp_batch_reading import SMALL, open_all
from tesk_filer.adapters.storage.sftp_batch_writing import SftpBatch, open_batch
from tesk_filer.adapters.storage.sftp_connection import (
    SftpConnection,
    SftpConnections,
)
from tesk_filer.adapters.storage.sftp_download import SftpDownload, opening, stat_from
from tesk_filer.adapters.storage.sftp_listing import absence, list_directory, stat_of
from tesk_filer.adapters.storage.sftp_protocol import (
    Kind,
    SftpError,
    handle_of,
    string,
)
from tesk_filer.adapters.storage.sftp_writing import (
    check_place,
    make_folders,
    remove,
    write_file,
)
from tesk_filer.adapters.storage.storage_config import StorageConfig, Timeouts
from tesk_filer.adapters.temporary_names import temporary_name
from tesk_filer.domain.checks import WriteFound
from tesk_filer.ports import (
    Advance,
    Credentials,
    Cursor,
    Entry,
    Page,
    Part,
    Reader,
    Source,
    Stat,
    StorageError,
)
from tesk_filer.ports.batches import ListedLocation
from tesk_model.locations import Location, printable

_SEPARATOR = "\0"  # between a directory and those above it; in no path


class SftpStorage:
    """Files on SFTP servers."""

    small = SMALL

    def __init__(
        self,
        timeouts: Timeouts,
        *,
        egress: Egress,
        credentials: Credentials,
        known_hosts: str,
    ) -> None:
        """Give up on a server that does not respond; see ``SftpConnections``."""
        self._connections = SftpConnections(
            timeouts=timeouts,
            egress=egress,
            credentials=credentials,
            known_hosts=known_hosts,
        )

    def stat(self, location: Location) -> Stat | None:
        """See ``Storage``."""
        with self._connections.lend(location) as connection:
            path = connection.absolute_path(location.path)
            found = stat_of(connection.session, path)
            return None if found is None else stat_from(found)

    def list(self, location: Location, cursor: Cursor = ()) -> Page:
        """See ``Storage``; each page is one directory of the server.

        A directory that is one of those above it is left out: it is a symlink cycle.
        """
        here, pending = cursor or ("", ())
        relative, *above = here.split(_SEPARATOR)
        with self._connections.lend(location) as connection:
            top = connection.absolute_path(location.path)
            folder = f"{top.rstrip('/')}/{relative}" if relative else top
            # "" of a link: where it leads is asked only now.
            own = (above.pop() if above else "") or _resolved(connection, folder)
            if own in above:
                note = f"{printable(relative)} is a symlink cycle, left out"
                return Page([], pending, [note])
            listed = list_directory(connection.session, folder)
        entries: list[Entry] = []
        folders: list[str] = []
        for name, found in sorted(listed.found.items()):
            below = f"{relative}/{name}" if relative else name
            if found.is_directory:
                identity = "" if name in listed.links else f"{own.rstrip('/')}/{name}"
                folders.append(_SEPARATOR.join([below, *above, own, identity]))
            else:
                stat = stat_from(found)
                entries.append(Entry(name=below, size=stat.size, etag=stat.etag))
        if not listed.found and relative:
            entries.append(Entry(name=relative, is_directory=True))
        return Page(
            entries,
            prepend(folders, pending),
            listed.notes,
            directory=own,
            depth=len(above),
        )

    @contextmanager
    def open(
        self, location: Location, *, part: Part | None = None, known: Stat | None = None
    ) -> Iterator[SftpDownload]:
        """See ``Storage``."""
        with self._connections.lend(location) as connection:
            session = connection.session
            path = connection.absolute_path(location.path)
            try:
                handle = handle_of(session.ask(opening(path), Kind.HANDLE))
            except SftpError as error:
                raise absence(session, path, error) from error
            download = SftpDownload(session, handle, part=part, known=known)
            yield download
            if download.has_ended:
                # Nobody needs to know whether closing succeeds.
                session.forget(*session.request((Kind.CLOSE, string(handle))))

    def write(self, location: Location, source: Source, advance: Advance) -> str:
        """See ``Storage``; a hidden file is renamed when it is complete."""
        incomplete: set[str] = set()
        try:
            with self._connections.lend(location) as connection:
                path = connection.absolute_path(location.path)
                folder = path.rpartition("/")[0]
                hidden = f"{folder}/{temporary_name(path, source.tag)}"
                write_file(
                    connection.session, (hidden, path), source, advance, incomplete
                )
        except BaseException:
            if incomplete:
                # By another connection: that one is closed.
                with (
                    suppress(StorageError),
                    self._connections.lend(location) as connection,
                ):
                    for each in incomplete:
                        remove(connection.session, each)
            raise
        return ""

    def open_all(
        self, files: Sequence[ListedLocation]
    ) -> Generator[AbstractContextManager[Reader]]:
        """See ``ReadsBatches``."""
        return open_all(self._connections, files)

    def batch(self) -> AbstractContextManager[SftpBatch]:
        """See ``WritesBatches``."""
        return open_batch(self._connections)

    def check_write(self, location: Location) -> WriteFound:
        """See ``usecases.checks.ChecksWrites``."""
        with self._connections.lend(location) as connection:
            path = connection.absolute_path(location.path)
            return check_place(connection.session, path)

    def make_directory(self, location: Location) -> None:
        """See ``Storage``."""
        with self._connections.lend(location) as connection:
            make_folders(connection.session, connection.absolute_path(location.path))

    def close(self) -> None:
        """Close all connections."""
        self._connections.close()


def open_storage(config: StorageConfig) -> SftpStorage:
    """Return the storage of sftp."""
    return SftpStorage(
        config.timeouts,
        egress=config.egress,
        credentials=config.credentials,
        known_hosts=config.server_trust.known_hosts,
    )


def _resolved(connection: SftpConnection, folder: str) -> str:
    try:
        return connection.resolve(folder)
    except SftpError:
        return folder
