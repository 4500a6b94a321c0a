"""Pools of connections of HTTP, opened by the guard of addresses or by a proxy.

urllib3 keeps the name of the host for TLS and the ``Host`` header, whatever address a
connection leads to.
"""

import socket
import threading
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import unquote
from urllib.request import getproxies_environment, proxy_bypass

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import LocationValueError
from urllib3.util import make_headers, parse_url

from tesk_filer.adapters.storage.authorities import open_client_tls
from tesk_filer.adapters.storage.egress import Egress
from tesk_filer.adapters.storage.http_lines import BoundedResponse
from tesk_filer.ports import StorageError
from tesk_model.locations import Location

BLOCK = 1024 * 1024
"""Bytes that are sent at once; the default of 16 KiB uses much CPU."""

_HOSTS = 64  # whose idle connections are kept


class HttpConnections:
    """Finds the pool for a url; thread-safe."""

    def __init__(
        self, egress: Egress, *, connections: int, authorities: str, stall: float
    ) -> None:
        """Keep up to ``connections`` open to each host.

        Args:
            egress: Opens them.
            connections: Idle ones; more are closed after use.
            authorities: File or folder of the certificates that are trusted; "" for
                those of certifi.
            stall: Seconds that a server may take for some of a body that is sent.
        """
        self._egress = egress
        self._stall = stall
        self._connections = connections
        self._authorities = authorities
        self._proxies = getproxies_environment()
        self._managers: dict[tuple[str, str], urllib3.PoolManager] = {}
        self._lock = threading.Lock()

    def manager_of(self, location: Location) -> urllib3.PoolManager:
        """Return what sends requests for ``location``.

        Raises:
            StorageError: Its address may not be connected to, or the proxy is unusable.
        """
        proxy = self._proxy_of(location)
        if proxy:
            self._egress.check_proxied(location.host)
        key = (proxy, location.scheme)
        with self._lock:
            if key not in self._managers:
                self._managers[key] = self._open(*key)
            return self._managers[key]

    def close(self) -> None:
        """Close all idle connections."""
        with self._lock:
            for manager in self._managers.values():
                manager.clear()

    def _open(self, proxy: str, scheme: str) -> urllib3.PoolManager:
        options: dict[str, Any] = {
            "num_pools": _HOSTS,
            "maxsize": self._connections,
            "blocksize": BLOCK,
        }
        if scheme == "https":
            options["ssl_context"] = open_client_tls(self._authorities)
        manager = _proxied(proxy, options) if proxy else urllib3.PoolManager(**options)
        manager.pool_classes_by_scheme = _pools(
            None if proxy else self._egress, self._stall
        )
        return manager

    def _proxy_of(self, location: Location) -> str:
        proxies = self._proxies
        found = proxies.get(location.scheme) or proxies.get("all") or ""
        if not found or _is_excepted(location, proxies):
            return ""
        return found if "://" in found else f"http://{found}"


def _is_excepted(location: Location, proxies: dict[str, str]) -> bool:
    """Tell whether ``no_proxy`` names the host, or a network that holds its address."""
    host = location.host
    if proxy_bypass(host, proxies):
        return True
    if location.port and proxy_bypass(f"{host}:{location.port}", proxies):
        return True
    for each in proxies.get("no", "").split(","):
        try:
            if ip_address(host) in ip_network(each.strip(), strict=False):
                return True
        except ValueError:
            continue
    return False


def _proxied(proxy: str, options: dict[str, Any]) -> urllib3.PoolManager:
    try:
        url = parse_url(proxy)
        headers = make_headers(proxy_basic_auth=unquote(url.auth)) if url.auth else None
        if url.scheme not in ("http", "https"):
            raise StorageError("its proxy is of a kind that is not supported")
        return urllib3.ProxyManager(proxy, proxy_headers=headers, **options)
    except (LocationValueError, ValueError) as error:
        message = "the url of the proxy is malformed; see HTTP_PROXY"
        raise StorageError(message) from error


def _pools(egress: Egress | None, stall: float) -> dict[str, Any]:
    """Return urllib3's classes of pools, by scheme; None: they connect as they do."""

    class Connection(HTTPConnection):
        response_class = BoundedResponse

        def _new_conn(self) -> socket.socket:
            return _connect(egress, self) if egress else super()._new_conn()

        def connect(self) -> None:
            super().connect()
            # urllib3 sends the body within the time to connect.
            self.sock.settimeout(stall)

    class SecureConnection(HTTPSConnection):
        response_class = BoundedResponse

        def _new_conn(self) -> socket.socket:
            return _connect(egress, self) if egress else super()._new_conn()

        def connect(self) -> None:
            super().connect()
            # urllib3 sends the body within the time to connect.
            self.sock.settimeout(stall)

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = SecureConnection

    return {"http": Pool, "https": SecurePool}


def _connect(egress: Egress, connection: HTTPConnection) -> socket.socket:
    host = connection._dns_host  # noqa: SLF001 - the name with its trailing dot
    timeout = connection.timeout
    if not isinstance(timeout, int | float):
        raise TypeError(timeout)
    return egress.connect(host, connection.port, timeout)
