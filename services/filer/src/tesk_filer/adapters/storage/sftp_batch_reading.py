"""Reads many small files over SFTP by few round trips and few packets of SSH.

A small file by itself is three or four waits for the server, and each request is a packet
to encrypt, and a thread to wake when it is answered. Here the requests of all files of a
batch are sent at once, step by step.

Source:
    draft-ietf-secsh-filexfer-02, 3: many requests may be outstanding, and a server
    processes those on one file in the order in which they came.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import islice

from tesk_filer.adapters.storage.sftp_connection import (
    SftpConnections,
    translated_errors,
)
from tesk_filer.adapters.storage.sftp_download import (
    check_file,
    check_unchanged,
    opening,
    stat_from,
)
from tesk_filer.adapters.storage.sftp_protocol import (
    LEAST_BLOCK,
    Kind,
    SftpError,
    attributes_of,
    block_of,
    handle_of,
    string,
)
from tesk_filer.adapters.storage.sftp_session import Packet, SftpSession
from tesk_filer.adapters.storage.sftp_streams import read_request
from tesk_filer.ports import Reader, Stat, StorageError
from tesk_filer.ports.batches import ListedLocation, NotBatchedError
from tesk_filer.ports.content import Content

SMALL = LEAST_BLOCK
"""Bytes that every server reads or writes by one request."""


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
    packets = [opening(path) for path in paths if path is not None]
    numbers = iter(session.request(*packets))
    handles = [
        None if path is None else _handle(session, next(numbers)) for path in paths
    ]
    check_apart([handle for handle in handles if handle is not None])
    return handles


def check_apart(handles: Sequence[bytes]) -> None:
    """Refuse the handles of a server that has one file open at a time.

    Raises:
        NotBatchedError: Two are the same.
    """
    if len(set(handles)) < len(handles):
        raise NotBatchedError


def _handle(session: SftpSession, number: int) -> bytes | None:
    try:
        return handle_of(session.wait(number, Kind.HANDLE))
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
        of_one = [] if handle is None else list(_reading(handle, size))
        packets += of_one
        counts.append(len(of_one))
    numbers = iter(session.request(*packets))
    return [list(islice(numbers, count)) for count in counts]


def _reading(handle: bytes, size: int) -> Iterator[Packet]:
    yield Kind.FSTAT, string(handle)
    if size:
        yield read_request(handle, 0, size)
    yield Kind.FSTAT, string(handle)
    yield Kind.CLOSE, string(handle)


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
            is_passing = error.transient and not error.begins_anew
            if is_passing or self._session.is_broken:
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
