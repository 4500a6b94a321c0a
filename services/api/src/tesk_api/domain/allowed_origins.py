"""Decides which web pages may call this server, and by which host names.

A browser sends requests for any page that its user opens, from inside the
user's machine and network. Two headers name the page, and no page can set
them: ``Sec-Fetch-Site`` and ``Origin``. ``Host`` is the name by which the
server was reached: a page whose own name resolves to this server (DNS rebinding)
cannot hide that name.

Source:
    W3C, "Fetch Metadata Request Headers"; WHATWG, "Fetch", the Origin header.
"""

from dataclasses import dataclass

from tesk_model.errors import PermissionDeniedError
from tesk_model.hosts import host_of, is_address, is_loopback

_MAX_QUOTED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedOrigins:
    """The origins and host names that one server accepts.

    Attributes:
        loopback: Whether it listens on loopback alone.
        allowed_hosts: Further host names; ``*.example.org`` for all names below.
            Empty, and not on loopback: any name.
        origins: Origins of pages that may call it; ``*`` for all.
    """

    loopback: bool = False
    allowed_hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()

    def check_host(self, authority: str) -> None:
        """Refuse a request that is addressed to another host name.

        Args:
            authority: Value of ``Host``; empty if there is none.

        Raises:
            PermissionDeniedError: The name is not accepted.
        """
        if not authority or not (self.loopback or self.allowed_hosts):
            return
        host = host_of(authority)
        # An address cannot be rebound; probes and pods use addresses.
        known = is_loopback(host) or (is_address(host) and not self.loopback)
        if known or any(
            _matches_host(name.lower(), host) for name in self.allowed_hosts
        ):
            return
        raise PermissionDeniedError(
            f'this server does not go by the name "{host[:_MAX_QUOTED]}"; if it should, add '
            "the name to api.allowed_hosts (TESK_API_ALLOWED_HOSTS)"
        )

    def check_origin(self, *, fetch_site: str, origin: str, authority: str) -> None:
        """Refuse a request that a web page of another origin makes a browser send.

        Args:
            fetch_site: Value of ``Sec-Fetch-Site``; empty if there is none.
            origin: Value of ``Origin``; empty if there is none.
            authority: Value of ``Host``.

        Raises:
            PermissionDeniedError: The request comes from a page of another origin.
        """
        if "*" in self.origins or (origin and origin.lower() in self._lower_origins()):
            return
        if fetch_site in {"same-origin", "none"}:
            return
        # Browsers without Sec-Fetch-Site: the page's own server, or none at all.
        if not fetch_site and (not origin or _same_server(origin, authority)):
            return
        page = origin[:_MAX_QUOTED] or "another site"
        raise PermissionDeniedError(
            f"web pages of {page} may not act on this server; to let them, add their "
            "origin to api.cors_origins (TESK_API_CORS_ORIGINS)"
        )

    def _lower_origins(self) -> frozenset[str]:
        return frozenset(origin.lower() for origin in self.origins)


def _matches_host(name: str, host: str) -> bool:
    return host == name or (name.startswith("*.") and host.endswith(name[1:]))


def _same_server(origin: str, authority: str) -> bool:
    """Tell whether a page came from this server; a proxy may terminate TLS."""
    scheme, _, host = origin.lower().partition("://")
    port = {"http": ":80", "https": ":443"}.get(scheme, "")
    return bool(port) and host.removesuffix(port) == authority.lower().removesuffix(
        port
    )
