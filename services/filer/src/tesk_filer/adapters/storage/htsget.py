"""``htsget://``: reads and variants by tickets, put together into one file.

``htsget://host/reads/ID?…`` is asked at ``https://host/reads/ID?…``, as GA4GH htsget 1.3
says. Blocks come one after another; a ticket that has expired on the way is asked for
again.
"""

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from http import HTTPStatus

from tesk_filer.adapters.storage.htsget_tickets import Block, Ticket, parse_ticket
from tesk_filer.adapters.storage.http import HttpStorage
from tesk_filer.adapters.storage.http_client import open_client
from tesk_filer.adapters.storage.http_errors import HttpError
from tesk_filer.adapters.storage.json_documents import (
    given_for,
    https_location,
    read_document,
)
from tesk_filer.adapters.storage.storage_config import StorageConfig
from tesk_filer.ports import (
    Advance,
    ChangedError,
    Cursor,
    Page,
    Part,
    Source,
    Stat,
    StorageError,
)
from tesk_model.locations import Location

_ACCEPT = "application/vnd.ga4gh.htsget.v1.3.0+json, application/json;q=0.9"
_EXPIRED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.GONE})
_BLOCK = 256 * 1024


class HtsgetStorage:
    """Files that are put together from blocks; inputs alone."""

    def __init__(self, config: StorageConfig) -> None:
        """Ask servers and fetch blocks as ``config`` says."""
        self._client = open_client(config)
        self._blocks = HttpStorage(self._client)
        self._credentials = config.credentials
        self._egress = config.egress

    def stat(self, location: Location) -> Stat | None:
        """See ``Storage``; the size is not known before it is read."""
        try:
            return Stat(checksums=self._ticket(location).checksums)
        except HttpError as error:
            if error.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
                return None
            raise

    def list(self, location: Location, cursor: Cursor = ()) -> Page:
        """See ``Storage``; always raises StorageError."""
        del location, cursor
        raise StorageError("htsget has no directories; give the input type FILE")

    @contextmanager
    def open(
        self, location: Location, *, part: Part | None = None, known: Stat | None = None
    ) -> Iterator["_Blocks"]:
        """See ``Storage``."""
        ticket = self._ticket(location)
        if known and known.checksums and ticket.checksums not in ({}, known.checksums):
            raise ChangedError
        with closing(self._pieces(location, ticket)) as pieces:
            yield _Blocks(pieces, ticket, part)

    def write(self, location: Location, source: Source, advance: Advance) -> str:
        """See ``Storage``; always raises StorageError."""
        del location, source, advance
        raise StorageError("htsget takes no files")

    def make_directory(self, location: Location) -> None:
        """See ``Storage``; there are none."""

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _ticket(self, location: Location) -> Ticket:
        url = https_location(location, location.written)
        self._egress.check_asked(url)
        given = given_for(location, self._credentials)
        return parse_ticket(read_document(self._client, url, _ACCEPT, given))

    def _pieces(self, location: Location, ticket: Ticket) -> Generator[bytes]:
        index = 0
        is_fresh = True
        while index < len(ticket.blocks):
            try:
                for piece in self._read(ticket.blocks[index]):
                    is_fresh = False  # from here on, a block may have expired
                    yield piece
            except HttpError as error:
                if is_fresh or error.status not in _EXPIRED:
                    raise
                renewed = self._ticket(location)
                if len(renewed.blocks) != len(ticket.blocks):
                    raise ChangedError from error
                ticket, is_fresh = renewed, True
            else:
                index += 1

    def _read(self, block: Block) -> Iterator[bytes]:
        if block.location is None:
            yield block.content
            return
        self._egress.check(block.location)
        with self._blocks.open(
            block.location, part=block.part, given=block.headers
        ) as reader:
            arrived = 0
            while data := reader.read(_BLOCK):
                arrived += len(data)
                yield data
            _check_end(block.part, arrived, reader.size)


def open_storage(config: StorageConfig) -> HtsgetStorage:
    """Return the storage of htsget."""
    return HtsgetStorage(config)


def _check_end(part: Part | None, arrived: int, size: int | None) -> None:
    """Refuse what ends neither where ``part`` does nor with the file of ``size``.

    Tickets may ask beyond the end; nobody else knows how long the whole must be.
    """
    start, wanted = (part.start, part.stop - part.start) if part else (0, size)
    if wanted not in (None, arrived) and start + arrived != size:
        message = f"the server sends {arrived} bytes of a block, not all"
        raise StorageError(message, transient=True)


class _Blocks:
    """The blocks as one file; satisfies ``ports.Reader``."""

    size = None
    etag = ""
    executable = False
    descriptor = None
    has_parts = False

    def __init__(
        self, pieces: Iterator[bytes], ticket: Ticket, part: Part | None
    ) -> None:
        self.checksums = ticket.checksums
        self._pieces = pieces
        self._rest = memoryview(b"")
        self._left = part.stop - part.start if part else None
        skipped = part.start if part else 0
        while skipped:
            skipped -= len(self._next(skipped)) or skipped

    def read(self, size: int) -> bytes:
        wanted = size if self._left is None else min(size, self._left)
        data = self._next(wanted) if wanted else b""
        if self._left is not None:
            self._left -= len(data)
        return data

    def _next(self, size: int) -> bytes:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._rest = memoryview(piece)
        data, self._rest = self._rest[:size], self._rest[size:]
        return bytes(data)
