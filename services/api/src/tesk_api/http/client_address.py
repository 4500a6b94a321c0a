"""Finds the address of a client, also behind trusted proxies."""

import ipaddress
from collections.abc import Mapping
from functools import lru_cache


def client_address(environ: Mapping[str, object], trusted_proxies: int) -> str:
    """Return the address of the client; "" if the server does not know it.

    Args:
        environ: WSGI environment of the request.
        trusted_proxies: How many proxies in front add the address of their client
            to ``X-Forwarded-For``. Addresses further left may be forged.
    """
    peer = str(environ.get("REMOTE_ADDR") or "")
    if trusted_proxies:
        hops = str(environ.get("HTTP_X_FORWARDED_FOR") or "").split(",")
        if len(hops) >= trusted_proxies:
            return _plain(hops[-trusted_proxies]) or _plain(peer) or peer
    return _plain(peer) or peer


@lru_cache(maxsize=128)
def _plain(text: str) -> str:
    """Return the address of ``address``, ``address:port`` or ``[address]:port``."""
    text = text.strip()
    for candidate in (text, text.rpartition(":")[0]):
        try:
            return str(ipaddress.ip_address(candidate.strip("[]")))
        except ValueError:
            continue
    return ""
