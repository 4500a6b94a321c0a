"""Connections of HTTP, kept open between requests.

TLS is checked against the authorities that the environment or certifi names; proxies are
those of the environment.
"""

import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from tesk_filer.adapters.storage.authorities import open_client_tls, open_tls
from tesk_filer.adapters.storage.egress import Egress
from tesk_filer.adapters.storage.http_exchange import (
    Body,
    Connection,
    Peer,
    Response,
    format_head,
)
from tesk_filer.adapters.storage.storage_config import Timeouts
from tesk_filer.ports import StorageError
from tesk_runtime.egress.proxies import HttpProxy, ProxySettingError, proxy_of

_PORTS = {"http": 80, "https": 443}
_BUNDLES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
_EXPECTED = 1024 * 1024  # bytes of a body that are worth a question beforehand


class ProxyError(OSError):
    """The proxy cannot be reached."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A server (RFC 9110, 4.3.1).

    Attributes:
        host: Name or address, IPv6 without brackets.
    """

    scheme: str
    host: str
    port: int | None = None

    @property
    def authority(self) -> str:
        """What the ``Host`` header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = self.port in (None, _PORTS[self.scheme])
        return host if usual else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A request.

    Attributes:
        target: Path and query, percent-encoded.
        headers: All but ``Host`` and those that say how the body is sent.
        asks_first: The server may refuse the body before it is sent.
        is_repeatable: It may arrive twice; None: unless it is a POST.
    """

    origin: Origin
    method: str
    target: str
    headers: Mapping[str, str]
    body: Body
    asks_first: bool = False
    is_repeatable: bool | None = None


@dataclass(slots=True)
class Exchange:
    """A response, and the connection that it occupies until it is closed."""

    response: Response
    _pool: "HttpPool"
    _origin: Origin
    _connection: Connection | None

    def __enter__(self) -> Response:
        """Return the response."""
        return self.response

    def __exit__(self, *_: object) -> None:
        """Close the exchange."""
        self.close()

    def close(self) -> None:
        """Keep the connection if the response was read to its end, or else close it."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self.response.keeps_connection:
            self._pool.keep(self._origin, connection)
        else:
            connection.close()


@dataclass(slots=True, kw_only=True)
class HttpPool:
    """Sends requests on connections that are open, or new ones; thread-safe.

    Attributes:
        size: Maximum of idle connections.
        environ: Variables of the process: proxies and authorities of TLS.
        authorities: File or folder of the certificates that are trusted; "": those that
            ``environ`` names.
        egress: Connects to hosts that urls name; None: the operator names all.
    """

    timeouts: Timeouts
    size: int
    environ: Mapping[str, str]
    authorities: str = ""
    egress: Egress | None = None
    _idle: list[tuple[Origin, Connection]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _tls: ssl.SSLContext | None = None

    def send(self, request: HttpRequest) -> Exchange:
        """Send a request and return the head of its response; close the exchange.

        Raises:
            StorageError: The server does not speak HTTP.
            OSError: It cannot be reached, or the connection broke.
        """
        # A POST is not repeated: the server may have acted on it.
        may_repeat = request.is_repeatable
        if may_repeat is None:
            may_repeat = request.method != "POST"
        idle = self._take(request.origin) if may_repeat else None
        if idle is not None:
            try:
                return self._send_on(idle, request)
            except (ConnectionError, ssl.SSLError):
                pass  # it was closed while it was idle
        return self._send_on(self._connect(request.origin), request)

    def keep(self, origin: Origin, connection: Connection) -> None:
        """Keep a connection for the next request."""
        with self._lock:
            self._idle.append((origin, connection))
            surplus = self._idle.pop(0)[1] if len(self._idle) > self.size else None
        if surplus is not None:
            surplus.close()

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, connection in idle:
            connection.close()

    def _take(self, origin: Origin) -> Connection | None:
        while True:
            with self._lock:
                for index in range(len(self._idle) - 1, -1, -1):
                    if self._idle[index][0] == origin:
                        _, connection = self._idle.pop(index)
                        break
                else:
                    return None
            if connection.is_quiet:
                return connection
            connection.close()

    def _send_on(self, connection: Connection, request: HttpRequest) -> Exchange:
        origin = request.origin
        target = request.target
        if connection.via_proxy:
            target = f"{origin.scheme}://{origin.authority}{target}"
        headers = {"host": origin.authority, **request.headers}
        waits = request.asks_first and request.body.size >= _EXPECTED
        if request.body.size or request.method in ("PUT", "POST"):
            headers["content-length"] = str(request.body.size)
        if waits:
            headers["expect"] = "100-continue"
        if connection.via_proxy and (proxy := self._proxy_of(origin)):
            headers |= proxy.login
        try:
            head = format_head(request.method, target, headers)
            connection.send(head, request.body, waits=waits)
            response = connection.receive(request.method)
        except BaseException:
            connection.close()
            raise
        return Exchange(response, self, origin, connection)

    def _connect(self, origin: Origin) -> Connection:
        proxy = self._proxy_of(origin)
        via_proxy = proxy is not None and origin.scheme == "http"
        peer = self._reach(origin, proxy)
        try:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if proxy is not None and proxy.is_secure:
                peer = self._secure_proxy(peer, proxy)
            found: Peer = peer
            if origin.scheme == "https":
                if proxy is not None:
                    _open_tunnel(peer, origin, proxy.login)
                # Names in certificates have no dot at their end.
                found = open_tls(self._context(), peer, origin.host.rstrip("."))
            found.settimeout(self.timeouts.stall.total_seconds())
        except BaseException:
            peer.close()
            raise
        return Connection(found, via_proxy=via_proxy)

    def _proxy_of(self, origin: Origin) -> HttpProxy | None:
        try:
            return proxy_of(origin.scheme, origin.host, origin.port, self.environ)
        except ProxySettingError as error:
            raise StorageError(str(error)) from error

    def _reach(self, origin: Origin, proxy: HttpProxy | None) -> socket.socket:
        timeout = self.timeouts.connect.total_seconds()
        if proxy is None:
            port = origin.port or _PORTS[origin.scheme]
            if self.egress is not None:
                return self.egress.connect(origin.host, port, timeout)
            return socket.create_connection((origin.host, port), timeout)
        if self.egress is not None:
            self.egress.check_proxied(origin.host)
        try:
            return socket.create_connection((proxy.host, proxy.port), timeout)
        except OSError as error:
            raise ProxyError from error

    def _secure_proxy(self, peer: socket.socket, proxy: HttpProxy) -> socket.socket:
        try:
            return self._context().wrap_socket(peer, server_hostname=proxy.host)
        except OSError as error:
            raise ProxyError from error

    def _context(self) -> ssl.SSLContext:
        with self._lock:
            if self._tls is None:
                named = filter(None, map(self.environ.get, _BUNDLES))
                self._tls = open_client_tls(self.authorities or next(named, ""))
            return self._tls


class _Nothing:
    size = 0

    def chunks(self) -> tuple[bytes, ...]:
        return ()


def _open_tunnel(peer: socket.socket, origin: Origin, login: Mapping[str, str]) -> None:
    """Let a proxy connect ``peer`` to ``origin`` (RFC 9110, 9.3.6)."""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    place = f"{host}:{origin.port or _PORTS[origin.scheme]}"
    connection = Connection(peer)
    head = format_head("CONNECT", place, {"host": place, **login})
    connection.send(head, _Nothing())
    response = connection.receive("HEAD")
    if response.status // 100 != 2:  # noqa: PLR2004 - any success
        # As http.client says it, which explain_connection knows.
        message = f"Tunnel connection failed: {response.status}"
        raise OSError(message)
    connection.detach()
