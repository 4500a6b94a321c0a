"""Downloads of FTP servers, which say nothing of the content of a file but size and time."""

import ftplib
import socket
import ssl

from tesk_filer.adapters.storage.ftp_connection import FtpConnection
from tesk_filer.adapters.storage.ftp_connections import translated_errors
from tesk_filer.adapters.storage.ftp_listing import size_of
from tesk_filer.ports import NO_CHECKSUMS, ChangedError, Part, Stat

_CHUNK = 256 * 1024


def changed_at(connection: FtpConnection, path: str) -> str:
    """Return when a file was changed, as the server writes it; "" if it does not say.

    Most know it to the second.

    Source:
        RFC 3659, 3: MDTM.
    """
    try:
        reply = connection.sendcmd(f"MDTM {path}")
    except ftplib.error_perm:
        return ""
    code, _, time = reply.partition(" ")
    return time.strip() if code == "213" else ""


class FtpDownload:
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
        *,
        path: str,
        found: Stat,
        part: Part | None,
        is_known: bool,
    ) -> None:
        """Read from an open data connection.

        Args:
            connection: That it belongs to.
            data: Of the file.
            path: Absolute.
            found: Size of the whole file, if that is known, and as its ETag when it was
                changed; "": it is not compared.
            part: What is read; None: all.
            is_known: The size was known before.
        """
        self._connection = connection
        self._data = data
        self._path = path
        self._position = part.start if part else 0
        self._stop = part.stop if part else None
        self._is_known = is_known
        self._changed_at = found.etag
        self.size = found.size
        self.ended = False

    def read(self, size: int) -> bytes:
        """See ``Reader``."""
        if self._stop is not None:
            size = min(size, self._stop - self._position)
        received = self._receive(size) if size and not self.ended else b""
        self._position += len(received)
        return received

    def _receive(self, size: int) -> bytes:
        with translated_errors():
            received = self._receive_some(min(size, _CHUNK))
            if isinstance(self._data, ssl.SSLSocket):
                # TLS gives 16 KiB at a time.
                while len(received) < size and (more := self._data.pending()):
                    received += self._data.recv(min(more, size - len(received)))
            if not received:
                self._end()
            return received

    def _receive_some(self, size: int) -> bytes:
        try:
            return self._data.recv(size)
        except ssl.SSLEOFError:
            # Some servers do not tell the end in TLS. All is there if the size says so.
            if self._position != self.size:
                raise
            return b""

    def _end(self) -> None:
        self.ended = True
        self._data.close()
        self._connection.voidresp()  # the server confirms the end
        if self._has_another_time():
            raise ChangedError
        expected = self.size if self._stop is None else self._stop
        if self._is_known and self._position != expected:
            now = size_of(self._connection, self._path)
            if now not in (None, self.size):
                raise ChangedError

    def _has_another_time(self) -> bool:
        if not self._changed_at:
            return False
        now = changed_at(self._connection, self._path)
        return now not in ("", self._changed_at)
