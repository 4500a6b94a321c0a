"""A file that is downloaded over SFTP, and the proof that it is one content."""

from functools import cached_property

from tesk_filer.adapters.storage.sftp_connection import translated_errors
from tesk_filer.adapters.storage.sftp_protocol import (
    Attributes,
    Flag,
    Kind,
    attributes_of,
    encode,
    string,
)
from tesk_filer.adapters.storage.sftp_session import Packet, SftpSession
from tesk_filer.adapters.storage.sftp_streams import SftpReading
from tesk_filer.ports import (
    NO_CHECKSUMS,
    ChangedError,
    Part,
    Stat,
    StorageError,
)

_CHUNK = 256 * 1024


def stat_from(found: Attributes) -> Stat:
    """Return the status of a file or directory.

    The time of change, in whole seconds, and the size stand for the content.
    """
    if found.is_directory:
        return Stat(is_directory=True)
    etag = ""
    if found.size is not None and found.modified is not None:
        etag = f"{found.size:x}-{found.modified:x}"
    return Stat(size=found.size, etag=etag)


def opening(path: str) -> Packet:
    """Return the request that opens a file for reading."""
    return Kind.OPEN, encode(path), Flag.READ.to_bytes(4), bytes(4)


def check_file(found: Attributes) -> None:
    """Raise StorageError if what was opened is no file."""
    if found.is_directory:
        raise StorageError("is a directory; give the input type DIRECTORY")
    if not found.is_file:
        raise StorageError("is not a regular file")


def check_unchanged(now: Stat, known: Stat) -> None:
    """Raise ChangedError if a file is not the known one, as far as both tell."""
    if (now.size, now.etag or known.etag) != (known.size, known.etag or now.etag):
        raise ChangedError


class SftpDownload:
    """Satisfies ``ports.Reader`` and ``Compares``.

    Size and time are compared before the first byte and after the last one.
    """

    checksums = NO_CHECKSUMS
    descriptor = None

    def __init__(
        self,
        session: SftpSession,
        handle: bytes,
        *,
        part: Part | None,
        known: Stat | None,
    ) -> None:
        """Read an open file; the server is asked for its beginning at once if ``known``."""
        self._session = session
        self._handle = handle
        self._known = known
        (self._before,) = session.request((Kind.FSTAT, string(handle)))
        stat = known if known is not None and known.size is not None else self._stat
        self.size = stat.size
        self.etag = stat.etag
        stop = min(part.stop, self.size or part.stop) if part else self.size
        start = part.start if part else 0
        self._reading = SftpReading(session, handle, start, stop)
        self._reading.request_ahead()
        self._is_checked = False
        self.has_ended = False

    @property
    def has_parts(self) -> bool:
        """See ``Reader``."""
        return self.etag != ""

    @property
    def executable(self) -> bool:
        """See ``Reader``."""
        with translated_errors():
            return self._attributes.is_executable

    def read(self, size: int) -> bytes:
        """See ``Reader``."""
        with translated_errors():
            if not self._is_checked:
                self._check(self._stat)
                self._is_checked = True
            data = self._reading.read(min(size, _CHUNK))
            if not self.has_ended and (not data or self._reading.has_ended):
                self.has_ended = True
                self.compare()
            return data

    def compare(self) -> None:
        """See ``Compares``."""
        with translated_errors():
            told = self._session.call(Kind.FSTAT, string(self._handle), Kind.ATTRS)
            self._check(stat_from(attributes_of(told)))

    @cached_property
    def _attributes(self) -> Attributes:
        found = attributes_of(self._session.wait(self._before, Kind.ATTRS))
        check_file(found)
        return found

    @property
    def _stat(self) -> Stat:
        return stat_from(self._attributes)

    def _check(self, now: Stat) -> None:
        check_unchanged(now, Stat(size=self.size, etag=self.etag))
