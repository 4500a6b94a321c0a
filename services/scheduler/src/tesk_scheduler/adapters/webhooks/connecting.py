"""Connects to receivers, by a proxy where the environment names one for them.

Without a proxy the addresses of a receiver are checked. With one, which belongs to the
operator and resolves names, only the host in the url is: an address, or a well-known name.
"""

import http.client
import socket
import ssl
from collections.abc import Mapping
from typing import Any, NamedTuple

from tesk_model.locations import Location
from tesk_runtime.egress.connecting import Connector
from tesk_runtime.egress.proxies import HttpProxy, proxy_of
from tesk_scheduler.adapters.webhooks.deadline import BoundedConnection, Deadline

_PROXY_LOGIN_REQUIRED = 407


class ProxyError(OSError):
    """The proxy is not there, which the cause says, or refuses, which the message does."""


class Opened(NamedTuple):
    """A connection on which a request can be sent.

    Attributes:
        peer: What ``http.client`` can use as a socket.
        proxy_headers: The request is for a proxy, which wants these headers and the whole
            url (RFC 9112, 3.2.2); None: it is for the server.
    """

    peer: Any
    proxy_headers: Mapping[str, str] | None


class Dialer:
    """Opens connections; thread-safe."""

    def __init__(
        self, connector: Connector, tls: ssl.SSLContext, environ: Mapping[str, str]
    ) -> None:
        """Check addresses by ``connector``; find proxies in ``environ``."""
        self._connector = connector
        self._tls = tls
        self._environ = environ

    def open(self, location: Location, deadline: Deadline) -> Opened:
        """Connect to the server of a url by http or https.

        Raises:
            EgressRefusedError: The host may not be connected to.
            ProxySettingError: The environment names no proxy that can be used.
            ProxyError: The proxy is not there, or does not connect to the host.
            OSError: The host cannot be reached, or does not answer in time.
        """
        host, port = location.host, location.port_or_default or 0
        is_secure = location.scheme == "https"
        proxy = proxy_of(location.scheme, host, port, self._environ)
        if proxy is None:
            peer = self._connector.connect(host, port, deadline.left())
        else:
            self._connector.check_proxied(host)
            peer = self._reach_proxy(proxy, deadline)
        try:
            if proxy is not None and is_secure:
                _open_tunnel(BoundedConnection(peer, deadline), host, port, proxy.login)
            end = self._begin_tls(peer, host, deadline) if is_secure else peer
        except BaseException:
            peer.close()
            raise
        proxy_headers = None if proxy is None or is_secure else proxy.login
        return Opened(BoundedConnection(end, deadline), proxy_headers)

    def _reach_proxy(self, proxy: HttpProxy, deadline: Deadline) -> socket.socket:
        try:
            peer = socket.create_connection((proxy.host, proxy.port), deadline.left())
            if not proxy.is_secure:
                return peer
            try:
                return self._tls.wrap_socket(peer, server_hostname=proxy.host)
            except BaseException:
                peer.close()
                raise
        except OSError as error:
            raise ProxyError from error

    def _begin_tls(self, peer: socket.socket, host: str, deadline: Deadline) -> Any:
        # Names in certificates have no dot at their end.
        name = host.rstrip(".")
        if not isinstance(peer, ssl.SSLSocket):
            peer.settimeout(deadline.left())
            return self._tls.wrap_socket(peer, server_hostname=name)
        # Python wraps a socket once.
        from urllib3.util.ssltransport import SSLTransport  # noqa: PLC0415 - rarely

        outer: Any = BoundedConnection(peer, deadline)
        return SSLTransport(outer, self._tls, name)


def _open_tunnel(
    peer: BoundedConnection, host: str, port: int, login: Mapping[str, str]
) -> None:
    """Let a proxy connect ``peer`` to a server (RFC 9110, 9.3.6)."""
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {place} HTTP/1.1", f"host: {place}"]
    lines += [f"{name}: {value}" for name, value in login.items()]
    unread: Any = peer
    try:
        peer.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
        # Nothing follows its head: who answers by TLS is not the first to speak.
        response = http.client.HTTPResponse(unread, method="HEAD")
        response.begin()
    except (OSError, http.client.HTTPException) as error:
        raise ProxyError from error
    if response.status // 100 == 2:  # noqa: PLR2004 - any success
        return
    message = f"the proxy does not connect to it: answered {response.status}"
    if response.status == _PROXY_LOGIN_REQUIRED:
        message += "; it wants user and password"
    raise ProxyError(message)
