"""Lets requests connect by the guard of addresses, or by a proxy."""

from typing import Any

import requests.adapters
from requests.utils import select_proxy

from tesk_filer.adapters.storage.egress import Egress
from tesk_filer.adapters.storage.http_connections import BLOCK, guarded_pools


class GuardedAdapter(requests.adapters.HTTPAdapter):
    """Connects by ``Egress``, or else by a proxy of the environment."""

    def __init__(self, egress: Egress, *, pool_maxsize: int) -> None:
        """Keep up to ``pool_maxsize`` connections open to each host."""
        self._egress = egress
        super().__init__(pool_maxsize=pool_maxsize)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools that connect by ``Egress``; a proxy's are urllib3's own."""
        super().init_poolmanager(*args, **kwargs, blocksize=BLOCK)
        self.poolmanager.pool_classes_by_scheme = guarded_pools(self._egress)

    def get_connection_with_tls_context(
        self, request: Any, verify: Any, proxies: Any = None, cert: Any = None
    ) -> Any:
        """Return the pool of a request; the proxy is the operator's."""
        pool = super().get_connection_with_tls_context(request, verify, proxies, cert)
        if select_proxy(request.url, proxies):
            host, _ = self.build_connection_pool_key_attributes(request, verify, cert)
            self._egress.check_proxied(host["host"].strip("[]"))
        return pool
