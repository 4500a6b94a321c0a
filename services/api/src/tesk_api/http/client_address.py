"""Where a request comes from, also behind proxies that are trusted to say so."""

import ipaddress
from collections.abc import Mapping
from functools import lru_cache


def client_address(environ: Mapping[str, object], trusted_proxies: int) -> str:
    """Return the address of the client; "" if the server does not know it.

    Args:
        environ: Of the request (WSGI).
        trusted_proxies: How many proxies in front add the address of who
            called them to ``X-Forwarded-For``. What is further left in the
            header the client may have made up.
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
