"""A pool of control connections to FTP servers.

A login costs several round trips and servers limit them, so each thread takes
an idle connection to the same account before it makes a new one.
"""

import ftplib
import re
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain

from tesk_filer.adapters.storage.network import explain_connection
from tesk_filer.adapters.storage.storage_config import Timeouts
from tesk_filer.domain.credentials import Login, with_login_of
from tesk_filer.ports import Credentials, StorageError
from tesk_model.locations import Location

BINARY = "TYPE I"

_NOT_LOGGED_IN = "530"
# Convention asks for something like an address.
_ANONYMOUS = Login(user="anonymous", password="anonymous@")  # noqa: S106
_MAX_REPLY = 1000  # lines; greetings of public areas have some dozens


@dataclass(frozen=True, slots=True)
class _Account:
    host: str
    port: int
    login: Login


class FtpConnection(ftplib.FTP):
    """A control connection that is logged in.

    Attributes:
        home: Absolute path of the directory after the login.
    """

    home: str = "/"

    def absolute_path(self, path: str) -> str:
        """Return the absolute path on the server for ``path`` of a url.

        Raises:
            StorageError: FTP commands cannot contain it.
        """
        if "\r" in path or "\n" in path:
            raise StorageError("FTP takes no name with line ends; rename the file")
        whole = path if path.startswith("/") else f"{self.home}/{path}"
        return re.sub("/+", "/", whole).rstrip("/") or "/"

    def getmultiline(self) -> str:
        """Read a reply of limited length; ftplib has no limit."""
        first = line = self.getline()
        lines = [line]
        if first[3:4] == "-":
            while line[:3] != first[:3] or line[3:4] == "-":
                if len(lines) >= _MAX_REPLY:
                    raise ftplib.error_proto("a reply without end")  # noqa: S321 - an error
                line = self.getline()
                lines.append(line)
        return "\n".join(lines)

    def find_home(self) -> None:
        """Read the directory after the login once; ``/`` on servers with a chroot."""
        try:
            self.home = self.pwd() or "/"
        except ftplib.error_perm:
            self.home = "/"


class FtpConnections:
    """Lends connections, logged in, in binary mode; thread-safe."""

    def __init__(self, timeouts: Timeouts, credentials: Credentials) -> None:
        """Give up on a server that does not respond."""
        self._timeouts = timeouts
        self._credentials = credentials
        self._lock = threading.Lock()
        self._idle: dict[_Account, list[FtpConnection]] = defaultdict(list)
        self._known_accounts: set[_Account] = set()

    @contextmanager
    def lend(self, location: Location) -> Iterator[FtpConnection]:
        """Lend a connection; it is closed if the work on it fails.

        Raises:
            StorageError: For every failure of FTP.
        """
        found = with_login_of(location, self._credentials.find(location))
        login = found if isinstance(found, Login) else _ANONYMOUS
        account = _Account(location.host, location.port or ftplib.FTP_PORT, login)
        with translated_errors():
            connection = self._take(account)
        try:
            with translated_errors():
                yield connection
        except BaseException:
            connection.close()
            raise
        if connection.sock is not None:  # else it was closed meanwhile
            with self._lock:
                self._idle[account].append(connection)

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            for connection in chain.from_iterable(self._idle.values()):
                connection.close()
            self._idle.clear()

    def _take(self, account: _Account) -> FtpConnection:
        while True:
            with self._lock:
                idle = self._idle[account]
                connection = idle.pop() if idle else None
            if connection is None:
                return self._log_in(account)
            try:
                connection.voidcmd(BINARY)  # listings leave it in text mode
            except ftplib.all_errors:
                connection.close()  # closed by the server
            else:
                return connection

    def _log_in(self, account: _Account) -> FtpConnection:
        connection = FtpConnection(encoding="utf-8")
        try:
            connection.connect(
                account.host,
                account.port,
                timeout=self._timeouts.connect.total_seconds(),
            )
            connection.login(account.login.user, account.login.password)
            if connection.sock is not None:
                connection.sock.settimeout(self._timeouts.stall.total_seconds())
            connection.timeout = self._timeouts.stall.total_seconds()
            connection.voidcmd(BINARY)
            connection.find_home()
        except ftplib.error_perm as error:
            connection.close()
            # Refused although this account could log in before: too many connections.
            raise StorageError(
                _login_refused(error, account.login.password),
                transient=account in self._known_accounts,
            ) from error
        except BaseException:
            connection.close()
            raise
        self._known_accounts.add(account)
        return connection


@contextmanager
def translated_errors() -> Iterator[None]:
    """Convert exceptions of ftplib."""
    try:
        yield
    except ftplib.error_temp as error:
        message = f"the server cannot do it now ({reply_code(error)})"
        raise StorageError(message, transient=True) from error
    except ftplib.Error as error:
        raise StorageError(f"the server refuses: {_reply(error)}") from error
    except UnicodeError as error:
        raise StorageError("a name is not valid UTF-8") from error
    except ValueError as error:  # of a number in a reply
        raise StorageError("the server's replies make no sense") from error
    except (OSError, EOFError) as error:
        raise explain_connection(error) from error


def reply_code(error: BaseException) -> str:
    """Return the three digits of a reply."""
    return str(error)[:3]


def _login_refused(error: BaseException, password: str) -> str:
    """Quote the server's reply to a refused login, without the password."""
    said = _reply(error)
    if password:
        said = said.replace(password, "***")
    is_unknown = reply_code(error) == _NOT_LOGGED_IN
    cure = "; check user and password in the url" if is_unknown else ""
    return f"login refused ({said}){cure}"


def _reply(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
