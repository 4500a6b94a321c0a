"""Connections to SFTP servers: host keys, logins, errors.

Nothing of this machine's user is used: no agent, no keys or settings of ``~/.ssh``.
"""

import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import paramiko
from paramiko.ssh_exception import IncompatiblePeer

from tesk_filer.adapters.storage.connection_pool import ConnectionPool
from tesk_filer.adapters.storage.egress import Egress
from tesk_filer.adapters.storage.known_hosts import (
    KnownKeys,
    name_of,
    read_known_keys,
)
from tesk_filer.adapters.storage.network import explain_connection
from tesk_filer.adapters.storage.sftp_protocol import (
    Kind,
    SftpError,
    SftpProtocolError,
    Status,
    encode,
    names_of,
)
from tesk_filer.adapters.storage.sftp_session import SftpSession
from tesk_filer.adapters.storage.sftp_transport import (
    ChunkPipe,
    LimitedEvent,
    ReadAheadSocket,
)
from tesk_filer.adapters.storage.ssh_keys import read_private_key
from tesk_filer.adapters.storage.storage_config import Timeouts
from tesk_filer.domain.credentials import Credential, Login, PrivateKey, with_login_of
from tesk_filer.domain.redaction import excerpt
from tesk_filer.ports import Credentials, StorageError
from tesk_model.locations import Location, printable

_PORT = 22
_WINDOW = 8 * 1024 * 1024  # more than is ever under way
_PACKET = 128 * 1024  # bytes that come at once; servers have a limit of their own
_KEEPALIVE = 30  # seconds
# Authenticated encryption in one pass: a third of the CPU of the others (measured).
_FAST_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
_RSA = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
_HOME = "/~"


@dataclass(frozen=True, slots=True)
class Account:
    """A user of a server, and what proves it."""

    host: str
    port: int
    credential: Login | PrivateKey


class SftpConnection:
    """A session of SFTP in a connection of its own.

    Attributes:
        session: Sends requests.
    """

    def __init__(self, transport: paramiko.Transport, session: SftpSession) -> None:
        """Own both."""
        self._transport = transport
        self._home = ""
        self.session = session

    @property
    def is_open(self) -> bool:
        """Whether nothing is under way that another thread could get."""
        return bool(self._transport.is_active()) and self.session.is_idle

    def responds(self) -> bool:
        """Tell whether the connection is up; SSH hears of it when it is not."""
        return bool(self._transport.is_active())

    def close(self) -> None:
        """Close the connection."""
        with suppress(Exception):  # it is of no use any more
            self._transport.close()

    def absolute_path(self, path: str) -> str:
        """Return the absolute path on the server for ``path`` of a url."""
        path = re.sub("/+", "/", path).rstrip("/")
        if path == _HOME or path.startswith(f"{_HOME}/"):
            self._home = self._home or self.resolve(".").rstrip("/")
            path = self._home + path[len(_HOME) :]
        return path or "/"

    def resolve(self, path: str) -> str:
        """Return a path as the server resolves it, links included."""
        payload = self.session.call(Kind.REALPATH, encode(path), Kind.NAME)
        names = names_of(payload)
        if not names:
            raise SftpProtocolError("no path")
        return names[0][0]


class SftpConnections:
    """Lends connections, logged in; thread-safe."""

    def __init__(
        self,
        *,
        timeouts: Timeouts,
        egress: Egress,
        credentials: Credentials,
        known_hosts: str,
    ) -> None:
        """Give up on a server that does not respond.

        Args:
            timeouts: Of connections.
            egress: Connects.
            credentials: For urls that name no user or no password.
            known_hosts: See ``filer.known_hosts``.
        """
        self._timeouts = timeouts
        self._egress = egress
        self._credentials = credentials
        self._known_hosts = known_hosts
        self._pool = ConnectionPool(self._connect)

    @contextmanager
    def lend(self, location: Location) -> Iterator[SftpConnection]:
        """Lend a connection; it is closed if the work on it fails.

        A thread that holds one must not borrow another.

        Raises:
            StorageError: For every failure of SSH and SFTP.
        """
        account = self.account_of(location)
        with self._pool.lend(account) as connection, translated_errors():
            yield connection

    def account_of(self, location: Location) -> Account:
        """Return to what a connection for ``location`` is logged in.

        Raises:
            StorageError: There is no login.
        """
        found = with_login_of(location, self._credentials.find(location))
        return Account(location.host, location.port or _PORT, _checked_login(found))

    def close(self) -> None:
        """Close the idle connections."""
        self._pool.close()

    def _connect(self, account: Account) -> SftpConnection:
        name = name_of(account.host, account.port)
        known = read_known_keys(self._known_hosts, name)
        given = account.credential
        secret = (
            read_private_key(given) if isinstance(given, PrivateKey) else given.password
        )
        seconds = self._timeouts.connect.total_seconds()
        with translated_errors():
            plain = ReadAheadSocket(
                self._egress.connect(account.host, account.port, seconds)
            )
        transport = None
        try:
            with translated_errors():
                self._limit_stalls(plain)
                transport = _open_transport(plain, known, seconds)
                transport.start_client(timeout=seconds)
                known.check(transport.get_remote_server_key(), name)
                _log_in(transport, given.user, secret)
                return self._open_session(transport)
        except BaseException:
            (transport or plain).close()
            raise

    def _limit_stalls(self, plain: socket.socket) -> None:
        """Bound how long the server may not take what is sent; paramiko would wait."""
        milliseconds = int(self._timeouts.stall.total_seconds() * 1000)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)

    def _open_session(self, transport: paramiko.Transport) -> SftpConnection:
        transport.set_keepalive(_KEEPALIVE)
        channel = transport.open_session(
            window_size=_WINDOW,
            max_packet_size=_PACKET,
            timeout=self._timeouts.connect.total_seconds(),
        )
        channel.in_buffer = ChunkPipe()
        stall = self._timeouts.stall.total_seconds()
        channel.settimeout(stall)
        channel.event = LimitedEvent(stall)
        try:
            channel.invoke_subsystem("sftp")
            return SftpConnection(transport, SftpSession(channel, stall=stall))
        except (paramiko.SSHException, EOFError) as error:
            if not transport.is_active():
                raise
            raise StorageError("the server offers no sftp to this user") from error


@contextmanager
def translated_errors() -> Iterator[None]:
    """Convert exceptions of SFTP and paramiko."""
    try:
        yield
    except SftpError as error:
        raise explain_status(error) from error
    except SftpProtocolError as error:
        raise StorageError("the server's replies make no sense") from error
    except IncompatiblePeer as error:
        message = "the server and the filer have no algorithm of SSH in common"
        raise StorageError(message) from error
    except paramiko.ChannelException as error:
        message = "the server opens no more sessions"
        raise StorageError(message, transient=True, throttled=True) from error
    except paramiko.SSHException as error:
        raise explain_connection(error) from error
    except (OSError, EOFError) as error:
        raise explain_connection(error) from error


def explain_status(error: SftpError) -> StorageError:
    """Return why the server refuses a request."""
    if error.code == Status.NO_SUCH_FILE:
        return StorageError("does not exist")
    if error.code == Status.PERMISSION_DENIED:
        return StorageError("access denied")
    if error.code in (Status.NO_CONNECTION, Status.CONNECTION_LOST):
        return StorageError("the server lost its connection", transient=True)
    said = excerpt(" ".join(printable(str(error)).split()), 200)
    return StorageError(f"the server refuses: {said or error.code}")


def _checked_login(found: Credential | None) -> Login | PrivateKey:
    if isinstance(found, PrivateKey) or (isinstance(found, Login) and found.password):
        return found
    if isinstance(found, Login):
        raise StorageError(
            f"there is neither password nor key for user {found.user}; the operator "
            "gives them (filer.credentials, netrc), or the url holds user:password@"
        )
    raise StorageError(
        "sftp needs a login; the operator gives it (filer.credentials, netrc), or the "
        "url holds user:password@"
    )


def _open_transport(
    plain: socket.socket, known: KnownKeys, seconds: float
) -> paramiko.Transport:
    transport = paramiko.Transport(plain, default_window_size=_WINDOW)
    transport.banner_timeout = transport.handshake_timeout = seconds
    transport.auth_timeout = seconds
    options = transport.get_security_options()
    options.ciphers = _first(_FAST_CIPHERS, options.ciphers)
    wanted = [name for each in known.types for name in _RSA.get(each, (each,))]
    options.key_types = _first(wanted, options.key_types)
    return transport


def _first(wanted: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """Return ``names`` with those that are wanted before the others."""
    before = [name for name in wanted if name in names]
    return (*before, *(name for name in names if name not in before))


def _log_in(
    transport: paramiko.Transport, user: str, secret: str | paramiko.PKey
) -> None:
    try:
        if isinstance(secret, str):
            left = transport.auth_password(user, secret)
        else:
            left = transport.auth_publickey(user, secret)
    except paramiko.BadAuthenticationType as error:
        kinds = ", ".join(error.allowed_types)
        message = f"login refused for user {user}: the server takes {kinds} alone"
        raise StorageError(message) from error
    except paramiko.AuthenticationException as error:
        if not transport.is_active():
            raise StorageError("the connection broke", transient=True) from error
        what = "password" if isinstance(secret, str) else "key"
        message = f"login refused for user {user}; check the {what}"
        raise StorageError(message) from error
    if left:
        message = (
            f"login refused for user {user}: the server wants {', '.join(left)}, too"
        )
        raise StorageError(message)
