"""Logs in to FTP servers, and converts their errors."""

import ftplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from tesk_filer.adapters.storage.connection_pool import ConnectionPool
from tesk_filer.adapters.storage.egress import Egress
from tesk_filer.adapters.storage.ftp_connection import (
    FtpConnection,
    open_tls,
    reply_code,
)
from tesk_filer.adapters.storage.network import explain_connection
from tesk_filer.adapters.storage.storage_config import Timeouts
from tesk_filer.domain.credentials import Login, with_login_of
from tesk_filer.domain.redaction import excerpt
from tesk_filer.ports import Credentials, StorageError
from tesk_model.locations import Location, printable
from tesk_model.schemes import SCHEMES

_NOT_LOGGED_IN = "530"
_TOO_MANY = "421"
_NO_SPACE = "452"
_MAX_SHOWN = 200  # characters of a line
# Convention asks for something like an address.
_ANONYMOUS = Login(user="anonymous", password="anonymous@")  # noqa: S106


@dataclass(frozen=True, slots=True)
class _Account:
    scheme: str
    host: str
    port: int
    login: Login


class FtpConnections:
    """Lends connections, logged in, in binary mode; thread-safe."""

    def __init__(
        self,
        *,
        timeouts: Timeouts,
        egress: Egress,
        credentials: Credentials,
        ca_file: str,
    ) -> None:
        """Give up on a server that does not respond.

        Args:
            timeouts: Of connections.
            egress: Connects.
            credentials: For urls that name no user or no password.
            ca_file: See ``filer.ftps_ca``.
        """
        self._timeouts = timeouts
        self._egress = egress
        self._credentials = credentials
        self._ca_file = ca_file
        self._pool = ConnectionPool(self._log_in)

    @contextmanager
    def lend(self, location: Location) -> Iterator[FtpConnection]:
        """Lend a connection; it is closed if the work on it fails.

        A thread that holds one must not borrow another.

        Raises:
            StorageError: For every failure of FTP.
        """
        found = with_login_of(location, self._credentials.find(location))
        account = _Account(
            location.scheme,
            location.host,
            location.port or SCHEMES[location.scheme].port or ftplib.FTP_PORT,
            found if isinstance(found, Login) else _ANONYMOUS,
        )
        with self._pool.lend(account) as connection, translated_errors():
            yield connection

    def close(self) -> None:
        """Close the idle connections."""
        self._pool.close()

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return open_tls(self._ca_file)

    def _log_in(self, account: _Account) -> FtpConnection:
        connection = FtpConnection(self._tls if account.scheme == "ftps" else None)
        try:
            with translated_errors():
                connection.greet(
                    self._egress, account.host, account.port, self._timeouts.connect
                )
                _log_in(connection, account.login)
                connection.enter(self._timeouts.stall)
        except BaseException:
            connection.close()
            raise
        return connection


def _log_in(connection: FtpConnection, login: Login) -> None:
    try:
        connection.login(login.user, login.password)
    except ftplib.error_perm as error:
        raise StorageError(_login_refused(error, login)) from error


@contextmanager
def translated_errors() -> Iterator[None]:
    """Convert exceptions of ftplib."""
    try:
        yield
    except ftplib.error_temp as error:
        code = reply_code(error)
        if code == _NO_SPACE:
            full = "no space is left there, or a quota is used up (452)"
            raise StorageError(full) from error
        message = f"the server cannot do it now ({code})"
        raise StorageError(
            message, transient=True, throttled=code == _TOO_MANY
        ) from error
    except ftplib.Error as error:
        raise StorageError(f"the server refuses: {_reply(error)}") from error
    except ssl.SSLCertVerificationError as error:
        message = (
            f"its certificate is not trusted ({error.verify_message}); the operator "
            "names authorities of his own by filer.ftps_ca"
        )
        raise StorageError(message) from error
    except (OSError, EOFError) as error:
        raise explain_connection(error) from error
    except UnicodeDecodeError as error:
        line = excerpt(printable(_line_of(error)), _MAX_SHOWN)
        raise StorageError(f'a name is not valid UTF-8: "{line}"') from error
    except UnicodeError as error:
        raise StorageError("a name is not valid UTF-8") from error
    except ValueError as error:  # of a number in a reply
        raise StorageError("the server's replies make no sense") from error


def _line_of(error: UnicodeDecodeError) -> str:
    """Return the line of a listing that cannot be decoded."""
    begin = error.object.rfind(b"\n", 0, error.start) + 1
    line = error.object[begin:].partition(b"\n")[0]
    return line.decode(errors="surrogateescape").strip()


def _login_refused(error: BaseException, login: Login) -> str:
    """Quote the server's reply to a refused login, without the password."""
    said = _reply(error, secret=login.password)
    is_unknown = reply_code(error) == _NOT_LOGGED_IN
    cure = "; check user and password of the url or the operator" if is_unknown else ""
    return f"login refused for user {login.user} ({said}){cure}"


def _reply(error: BaseException, *, secret: str = "") -> str:
    """Quote a reply without ``secret``, of which a cut would leave the beginning."""
    said = str(error)
    if secret:
        said = said.replace(secret, "***")
    return excerpt(printable(" ".join(said.split())), _MAX_SHOWN)
