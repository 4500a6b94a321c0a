"""Moves many small files over SFTP by few round trips and few packets of SSH.

A small file by itself is three or four waits for the server, and each request is a packet
to encrypt, and a thread to wake when it is answered. Here the requests of all files of a
batch are sent at once, step by step.

Source:
    draft-ietf-secsh-filexfer-02, 3: many requests may be outstanding, and a server
    processes those on one file in the order in which they came.
"""

import struct
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from itertools import islice

from tesk_filer.adapters.storage.sftp_connection import (
    Account,
    SftpConnections,
    translated_errors,
)
from tesk_filer.adapters.storage.sftp_download import (
    check_file,
    check_unchanged,
    stat_from,
)
from tesk_filer.adapters.storage.sftp_protocol import (
    LEAST_BLOCK,
    Flag,
    Kind,
    SftpError,
    attributes_of,
    block_of,
    data_of,
    encode,
    string,
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
from tesk_filer.adapters.volume import temporary_name
from tesk_filer.ports import Advance, Reader, Source, Stat, StorageError
from tesk_filer.ports.batches import ListedLocation, NotBatchedError
from tesk_filer.ports.content import Content
from tesk_model.locations import Location

SMALL = LEAST_BLOCK
"""Bytes that every server reads or writes by one request."""

_READ = Flag.READ.to_bytes(4) + bytes(4)


def open_all(
    connections: SftpConnections, files: Sequence[ListedLocation]
) -> Generator[AbstractContextManager[Reader]]:
    """Open files; see ``ReadsBatches.open_all``. Those of one account come together."""
    first, _ = files[0]
    account = connections.account_of(first)
    with connections.lend(first) as connection:
        session = connection.session
        wanted = [
            connection.absolute_path(location.path)
            if connections.account_of(location) == account
            else None
            for location, _ in files
        ]
        handles = _open(session, wanted)
        sizes = [known.size or 0 for _, known in files]
        asked = _ask(session, zip(handles, sizes, strict=True))
        for numbers, (_, known) in zip(asked, files, strict=True):
            arriving = _Arriving(session, numbers, known)
            yield arriving
            if arriving.lost is not None:
                raise arriving.lost  # each of the others would wait for as long


def _open(session: SftpSession, paths: Sequence[str | None]) -> list[bytes | None]:
    """Open files; None for those that cannot be opened, or have no path."""
    packets = [(Kind.OPEN, encode(path), _READ) for path in paths if path is not None]
    numbers = iter(session.request(*packets))
    return [None if path is None else _handle(session, next(numbers)) for path in paths]


def _handle(session: SftpSession, number: int) -> bytes | None:
    try:
        return data_of(session.wait(number, Kind.HANDLE))
    except SftpError:
        return None  # by itself it says why


def _ask(
    session: SftpSession, files: Iterable[tuple[bytes | None, int]]
) -> list[Sequence[int]]:
    """Ask for the status of files, their bytes, their status again, and their end.

    Returns:
        The numbers of the requests for each file; none if it is not open.
    """
    packets: list[Packet] = []
    counts: list[int] = []
    for handle, size in files:
        of_one = [] if handle is None else list(_reading(string(handle), size))
        packets += of_one
        counts.append(len(of_one))
    numbers = iter(session.request(*packets))
    return [list(islice(numbers, count)) for count in counts]


def _reading(handle: bytes, size: int) -> Iterator[Packet]:
    yield Kind.FSTAT, handle
    if size:
        yield Kind.READ, handle, struct.pack(">QI", 0, size)
    yield Kind.FSTAT, handle
    yield Kind.CLOSE, handle


class _Arriving(AbstractContextManager[Reader]):
    """A file on its way.

    Attributes:
        lost: Why no other one comes, either; None: they may.
    """

    def __init__(
        self, session: SftpSession, numbers: Sequence[int], known: Stat
    ) -> None:
        """Wait, when entered, for the requests of ``_ask`` with these numbers."""
        self._session = session
        self._numbers = numbers
        self._known = known
        self.lost: StorageError | None = None

    def __enter__(self) -> Content:
        if not self._numbers:
            raise NotBatchedError
        try:
            with translated_errors():
                return _take(self._session, self._numbers, self._known)
        except StorageError as error:
            if error.transient and not error.begins_anew:
                self.lost = error
            raise
        finally:
            # Nobody needs to know whether closing succeeds.
            self._session.forget(*self._numbers)

    def __exit__(self, *_: object) -> None:
        """Keep nothing: the content is in memory."""


def _take(session: SftpSession, numbers: Sequence[int], known: Stat) -> Content:
    """Wait for a file of one content, as ``SftpDownload`` proves it."""
    before, *reads, after, _ = numbers
    found = attributes_of(session.wait(before, Kind.ATTRS))
    check_file(found)
    check_unchanged(stat_from(found), known)
    data = b"".join(block_of(session.wait(read, Kind.DATA)) for read in reads)
    now = attributes_of(session.wait(after, Kind.ATTRS))
    check_unchanged(stat_from(now), known)
    if len(data) != known.size:
        raise NotBatchedError  # the server reads less at once
    return Content(data, known.etag, executable=found.is_executable)


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
                (f"{_folder(path)}/{temporary_name(path, file.tag)}", path)
                for path, file in zip(paths, self._files, strict=True)
            ]
            self._incomplete.update(hidden for hidden, _ in names)
            self._send(session, self._create(session, names))
            self._rename(session, names)

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
                handles[index] = data_of(session.wait(number, Kind.HANDLE))
            except SftpError as error:
                if not may_lack_folder(error):
                    raise
                lacking.append(index)
        for folder in sorted({_folder(names[index][1]) for index in lacking}):
            make_folders(session, folder or "/")
        numbers = session.request(*(packets[index] for index in lacking))
        for index, number in zip(lacking, numbers, strict=True):
            handles[index] = data_of(session.wait(number, Kind.HANDLE))
        return [handles[index] for index in range(len(names))]

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
