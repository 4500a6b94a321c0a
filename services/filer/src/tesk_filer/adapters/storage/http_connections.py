"""Connections of HTTP, opened by the guard of addresses.

urllib3 keeps the name of the host for TLS and the ``Host`` header, whatever address a
connection leads to.
"""

import socket
from typing import Any

import requests.adapters
from requests.utils import select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from tesk_filer.adapters.storage.egress import Egress

_BLOCK = 1024 * 1024  # sent at once; the default of 16 KiB uses much CPU


class GuardedAdapter(requests.adapters.HTTPAdapter):
    """Connects by ``Egress``, or else by a proxy of the environment."""

    def __init__(self, egress: Egress, *, pool_maxsize: int) -> None:
        """Keep up to ``pool_maxsize`` connections open to each host."""
        self._egress = egress
        super().__init__(pool_maxsize=pool_maxsize)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools that connect by ``Egress``; a proxy's are urllib3's own."""
        super().init_poolmanager(*args, **kwargs, blocksize=_BLOCK)
        self.poolmanager.pool_classes_by_scheme = _guarded_pools(self._egress)

    def get_connection_with_tls_context(
        self, request: Any, verify: Any, proxies: Any = None, cert: Any = None
    ) -> Any:
        """Return the pool of a request; the proxy is the operator's."""
        pool = super().get_connection_with_tls_context(request, verify, proxies, cert)
        if select_proxy(request.url, proxies):
            host, _ = self.build_connection_pool_key_attributes(request, verify, cert)
            self._egress.check_proxied(host["host"].strip("[]"))
        return pool


def _guarded_pools(egress: Egress) -> dict[str, Any]:
    """Return urllib3's classes of pools, by scheme, that connect by ``egress``."""

    class Connection(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return _connect(egress, self)

    class SecureConnection(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return _connect(egress, self)

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
