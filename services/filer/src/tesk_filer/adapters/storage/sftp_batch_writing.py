"""Writes many small files over SFTP by few round trips and few packets of SSH.

As ``sftp_batch_reading``: the requests of all files are sent at once, step by step.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from tesk_filer.adapters.storage.sftp_batch_reading import SMALL, check_apart
from tesk_filer.adapters.storage.sftp_connection import (
    Account,
    SftpConnections,
)
from tesk_filer.adapters.storage.sftp_protocol import (
    Kind,
    SftpError,
    handle_of,
)
from tesk_filer.adapters.storage.sftp_session import Packet, SftpSession
from tesk_filer.adapters.storage.sftp_streams import read_source, write_request
from tesk_filer.adapters.storage.sftp_writing import (
    creation,
    ending,
    make_folders,
    may_lack_folder,
    remove,
    rename,
    renaming,
    wait_ended,
)
from tesk_filer.adapters.temporary_names import temporary_name
from tesk_filer.ports import Advance, Source, StorageError
from tesk_filer.ports.batches import NotBatchedError
from tesk_model.locations import Location

# Of hidden names: what a server that was lost still does to them, it does to no file
# that is then written by itself.
_TAG = "-batch"


@dataclass(frozen=True, slots=True)
class _Written:
    """A file that is to be written."""

    location: Location
    tag: str
    data: bytes
    executable: bool


class SftpBatch:
    """Files that are written together; satisfies ``ports.batches.WriteBatch``."""

    def __init__(self, connections: SftpConnections) -> None:
        """Write by ``connections``."""
        self._connections = connections
        self._account: Account | None = None
        self._files: list[_Written] = []
        self._incomplete: set[str] = set()

    def write(self, location: Location, source: Source, advance: Advance) -> str:
        """See ``WriteBatch``; the server gets it with the others."""
        account = self._connections.account_of(location)
        if source.size > SMALL or self._account not in (None, account):
            raise NotBatchedError
        data = read_source(source, 0, source.size) if source.size else b""
        if len(data) != source.size:
            raise NotBatchedError
        advance(len(data))
        self._account = account
        self._files.append(_Written(location, source.tag, data, source.executable))
        return ""

    def commit(self) -> None:
        """See ``WriteBatch``."""
        if not self._files:
            return
        with self._connections.lend(self._files[0].location) as connection:
            session = connection.session
            paths = [
                connection.absolute_path(file.location.path) for file in self._files
            ]
            names = [
                (f"{_folder(path)}/{temporary_name(path, f'{file.tag}{_TAG}')}", path)
                for path, file in zip(paths, self._files, strict=True)
            ]
            self._incomplete.update(hidden for hidden, _ in names)
            try:
                self._send(session, self._create(session, names))
                self._rename(session, names)
            except (SftpError, StorageError):
                # What is still done must not meet what is tried next.
                if not session.is_broken:
                    session.drain()
                raise

    def discard(self) -> None:
        """Remove what is not complete, as far as the server lets us."""
        if not self._incomplete:
            return
        # By another connection: that one is closed.
        with (
            suppress(StorageError),
            self._connections.lend(self._files[0].location) as connection,
        ):
            for hidden in self._incomplete:
                remove(connection.session, hidden)

    def _create(
        self, session: SftpSession, names: Sequence[tuple[str, str]]
    ) -> list[bytes]:
        """Open all hidden files; make folders that are missing."""
        packets = [
            creation(hidden, executable=file.executable)
            for (hidden, _), file in zip(names, self._files, strict=True)
        ]
        handles: dict[int, bytes] = {}
        lacking: list[int] = []
        for index, number in enumerate(session.request(*packets)):
            try:
                handles[index] = handle_of(session.wait(number, Kind.HANDLE))
            except SftpError as error:
                if not may_lack_folder(error):
                    raise
                lacking.append(index)
        for folder in sorted({_folder(names[index][1]) for index in lacking}):
            make_folders(session, folder or "/")
        numbers = session.request(*(packets[index] for index in lacking))
        for index, number in zip(lacking, numbers, strict=True):
            handles[index] = handle_of(session.wait(number, Kind.HANDLE))
        found = [handles[index] for index in range(len(names))]
        check_apart(found)
        return found

    def _send(self, session: SftpSession, handles: Sequence[bytes]) -> None:
        packets: list[Packet] = []
        for file, handle in zip(self._files, handles, strict=True):
            packets += (write_request(handle, 0, file.data), *ending(handle))
        numbers = iter(session.request(*packets))
        for file in self._files:
            session.wait(next(numbers), Kind.STATUS)
            wait_ended(session, (next(numbers), next(numbers)), len(file.data))

    def _rename(self, session: SftpSession, names: Sequence[tuple[str, str]]) -> None:
        """Give all files their names."""
        if not session.has_posix_rename:
            for hidden, path in names:
                rename(session, hidden, path)
                self._incomplete.discard(hidden)
            return
        numbers = session.request(*(renaming(*each) for each in names))
        for number, (hidden, path) in zip(numbers, names, strict=True):
            try:
                session.wait(number, Kind.STATUS)
            except SftpError:
                rename(session, hidden, path)  # in another way, or it says why not
            self._incomplete.discard(hidden)


@contextmanager
def open_batch(connections: SftpConnections) -> Iterator[SftpBatch]:
    """Begin a batch; what is not committed at the end of the block is removed."""
    batch = SftpBatch(connections)
    try:
        yield batch
    finally:
        batch.discard()


def _folder(path: str) -> str:
    """Return the folder of an absolute path; "" is the root."""
    return path.rpartition("/")[0]
