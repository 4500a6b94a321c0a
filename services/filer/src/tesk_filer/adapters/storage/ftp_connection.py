"""A control connection to an FTP server, with or without TLS.

With TLS, control and data connections are both encrypted, or nothing is sent.

What a server says is for people, in any encoding: bytes that are not UTF-8 are kept, since
one reply names the directory after the login.

Source:
    RFC 4217. Port 990 has TLS from the first byte on (IANA: ``ftps``); elsewhere the
    client asks for it (``AUTH TLS``).
"""

import ftplib
import re
import select
import socket
import ssl
import time
from contextlib import suppress
from datetime import timedelta

from tesk_filer.adapters.storage.documents import Deadline
from tesk_filer.adapters.storage.egress import Egress
from tesk_filer.ports import StorageError
from tesk_model.locations import printable
from tesk_runtime.keepalive import keepalive_options

BINARY = "TYPE I"
IMPLICIT_PORT = 990

_BYTES = "surrogateescape"
_LISTING_ENDS = frozenset({"226", "250"})
_MAX_REPLY = 1000  # lines; greetings of public areas have some dozens
_RECEIVE = 8192  # bytes
_FRESH = 5.0  # seconds; servers close connections that are idle for minutes


class FtpConnection(ftplib.FTP):
    """A control connection.

    Attributes:
        home: Absolute path of the directory after the login.
    """

    home: str = "/"

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        """Encrypt everything by ``tls``, if given."""
        super().__init__(encoding="utf-8")
        self._tls = tls
        self._connect_timeout = 0.0
        self._received = b""
        self._deadline = Deadline(None)
        self._heard = 0.0  # when the last line came

    @property
    def is_open(self) -> bool:
        """Whether it has not been closed."""
        return self.sock is not None

    def responds(self) -> bool:
        """Tell whether the server still serves.

        It is asked after a pause only: else each file would cost one more command. A
        server that closes a connection says so without being asked.
        """
        if time.monotonic() - self._heard < _FRESH and not self._has_news():
            return True
        try:
            self.voidcmd(BINARY)
        except ftplib.all_errors:
            return False
        return True

    def _has_news(self) -> bool:
        """Tell whether the server has sent, or closed, what nobody asked for."""
        if self._received or self.sock is None:
            return True
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return bool(poll.poll(0))

    def greet(self, egress: Egress, host: str, port: int, timeout: timedelta) -> None:
        """Connect to a server, which does not know yet who asks.

        Raises:
            StorageError, ftplib.Error, OSError: It cannot be connected to.
        """
        self.host, self._connect_timeout = host, timeout.total_seconds()
        self.timeout = self._connect_timeout
        self.sock = egress.connect(host, port, self.timeout)
        for option in keepalive_options():  # nothing is sent while a file moves
            self.sock.setsockopt(*option)
        self.af = self.sock.family
        if self._tls and port == IMPLICIT_PORT:
            self._encrypt(self.sock, self._tls)
        self.welcome = self.getresp()
        if self._tls:
            if port != IMPLICIT_PORT:
                self._ask_for_tls(self.sock, self._tls)
            self.voidcmd("PBSZ 0")
            self.voidcmd("PROT P")

    def enter(self, timeout: timedelta) -> None:
        """Get ready for transfers after the login, with ``timeout`` from now on."""
        self.timeout = timeout.total_seconds()
        if self.sock is not None:
            self.sock.settimeout(self.timeout)
        self.voidcmd(BINARY)
        try:
            self.home = self.pwd() or "/"
        except ftplib.error_perm:
            self.home = "/"  # users are locked in

    def absolute_path(self, path: str) -> str:
        """Return the absolute path on the server for ``path`` of a url.

        Raises:
            UnicodeError: It is not UTF-8. Some servers replace the bytes that are not,
                so that several files would become one.
        """
        path.encode(self.encoding)
        whole = path if path.startswith("/") else f"{self.home}/{path}"
        return re.sub("/+", "/", whole).rstrip("/") or "/"

    def putline(self, line: str) -> None:
        """Send a command; ftplib refuses what is not UTF-8, such as a home may be.

        Raises:
            StorageError: It would be several lines.
        """
        if "\r" in line or "\n" in line:
            raise StorageError("FTP takes no name with line ends; rename the file")
        if self.sock is None:
            raise EOFError
        self.sock.sendall(f"{line}\r\n".encode(self.encoding, _BYTES))

    def getmultiline(self) -> str:
        """Read a reply of limited length in limited time; ftplib has no limits."""
        self._deadline = Deadline(self.timeout)
        first = line = self.getline()
        lines = [line]
        if first[3:4] == "-":
            while line[:3] != first[:3] or line[3:4] == "-":
                if len(lines) >= _MAX_REPLY:
                    raise ftplib.error_proto("a reply without end")  # noqa: S321 - an error
                line = self.getline()
                lines.append(line)
        return "\n".join(lines)

    def getline(self) -> str:
        """Read a line of a reply, as long as its deadline is not over."""
        while b"\n" not in self._received:
            if len(self._received) > self.maxline:
                raise ftplib.error_proto("a reply without end")  # noqa: S321 - an error
            data = self.sock.recv(_RECEIVE) if self.sock else b""
            if not data:
                raise EOFError
            self._received += data
            self._deadline.check()
        self._heard = time.monotonic()
        line, _, self._received = self._received.partition(b"\n")
        return line.decode(self.encoding, _BYTES).removesuffix("\r")

    def open_listing(self, command: str) -> tuple[socket.socket, str]:
        """Ask for a listing; return its data connection, and the reply that has ended it.

        Some servers end a listing without having said that it begins; what they have
        sent is in the data connection all the same. "": it ends later.

        Raises:
            StorageError, ftplib.Error, OSError: It is refused.
        """
        data = socket.create_connection(self.makepasv(), self._connect_timeout)
        try:
            end = self._begin_listing(command)
            data.settimeout(self.timeout)
            return self._protected(data), end
        except BaseException:
            data.close()
            raise

    def _begin_listing(self, command: str) -> str:
        reply = self.sendcmd(command)
        if reply[:3] in _LISTING_ENDS:
            return reply
        if reply.startswith("2"):
            reply = self.getresp()  # as ftplib does: some say 200 before they begin
        if not reply.startswith("1"):
            raise ftplib.error_reply(reply)  # noqa: S321 - an error
        return ""

    def ntransfercmd(
        self, cmd: str, rest: int | str | None = None
    ) -> tuple[socket.socket, int | None]:
        """Open a data connection, always to the address of the control connection."""
        stall, self.timeout = self.timeout, self._connect_timeout
        try:
            data, size = super().ntransfercmd(cmd, rest)
        finally:
            self.timeout = stall
        data.settimeout(stall)
        return self._protected(data), size

    def _protected(self, data: socket.socket) -> socket.socket:
        """Return a data connection as it is protected, if this one is."""
        if self._tls is None or not isinstance(self.sock, ssl.SSLSocket):
            return data
        try:
            # Servers may demand that the session is resumed (require_ssl_reuse of
            # vsftpd), as proof that this is the same client.
            # An end that TLS does not tell (close_notify) is a cut for all that is
            # known: read as an end, half a listing would be a whole one.
            return self._tls.wrap_socket(
                data,
                server_hostname=self.host,
                session=self.sock.session,
                suppress_ragged_eofs=False,
            )
        except BaseException:
            data.close()
            raise

    def _ask_for_tls(self, plain: socket.socket, tls: ssl.SSLContext) -> None:
        try:
            self.voidcmd("AUTH TLS")
        except ftplib.error_perm as error:
            message = (
                f"the server offers no TLS there ({reply_code(error)}); check scheme and "
                f"port: {IMPLICIT_PORT} is for TLS from the first byte on"
            )
            raise StorageError(message) from error
        self._received = b""  # nothing that came before TLS is read after it
        self._encrypt(plain, tls)

    def _encrypt(self, plain: socket.socket, tls: ssl.SSLContext) -> None:
        self.sock = tls.wrap_socket(plain, server_hostname=self.host)


def reply_code(error: object) -> str:
    """Return the three digits of a reply."""
    return printable(str(error)[:3])


class FtpTlsSocket(ssl.SSLSocket):
    """A socket that does not wait for the peer's end of TLS: many servers send none."""

    def unwrap(self) -> socket.socket:
        """Tell the peer that no more data comes."""
        longest = self.gettimeout()
        self.settimeout(0)
        with suppress(OSError):
            try:
                super().unwrap()
            except ssl.SSLWantWriteError:
                select.select([], [self], [], longest)
                super().unwrap()
        return self


def open_tls(ca_file: str) -> ssl.SSLContext:
    """Return what verifies the certificates of servers.

    Args:
        ca_file: Certificates of authorities (PEM), besides those of the system.

    Raises:
        StorageError: It cannot be read.
    """
    context = ssl.create_default_context()
    context.sslsocket_class = FtpTlsSocket
    if ca_file:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:
            message = f"the operator's filer.ftps_ca cannot be read: {error}"
            raise StorageError(message) from error
    return context


def end_sending(data: socket.socket) -> None:
    """Mark the end of an upload, and leave the socket open.

    A socket that is closed while something of the server is unread, such as a ticket
    of TLS, is reset, and what was sent last is lost.
    """
    if isinstance(data, FtpTlsSocket):
        data.unwrap()
    with suppress(OSError):  # the server has closed it
        data.shutdown(socket.SHUT_WR)


def end_receiving(data: socket.socket) -> None:
    """Tell the server in TLS that all has arrived: some wait for it."""
    if isinstance(data, FtpTlsSocket):
        data.unwrap()
