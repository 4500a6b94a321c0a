"""Finds the proxy of HTTP by which a server is reached, as the environment names it.

``http_proxy``, ``https_proxy``, ``all_proxy`` and ``no_proxy``, in lower or upper case.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from urllib.parse import unquote, urlsplit

_PORTS = {"http": 80, "https": 443}


class ProxySettingError(Exception):
    """What names the proxy is no url of one that can be used; for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpProxy:
    """A proxy.

    Attributes:
        is_secure: It is spoken to by TLS.
        login: Headers that it wants.
    """

    host: str
    port: int
    is_secure: bool
    login: Mapping[str, str] = field(repr=False)


def proxy_of(
    scheme: str, host: str, port: int | None, environ: Mapping[str, str]
) -> HttpProxy | None:
    """Return the proxy for a server; None: it is reached directly.

    Args:
        scheme: ``http`` or ``https``.
        host: Name or address, IPv6 without brackets.
        port: Of the server; None: that of the scheme.
        environ: Of the process.

    Raises:
        ProxySettingError: What names it is no url of a proxy that can be used.
    """
    url = _variable(environ, f"{scheme}_proxy") or _variable(environ, "all_proxy")
    if not url:
        return None
    excluded = _variable(environ, "no_proxy")
    # As the Host header has it: without the usual port.
    named_port = None if port == _PORTS[scheme] else port
    if excluded and _is_excluded(host, named_port, excluded):
        return None
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        proxy_port = parts.port
    except ValueError as error:
        raise _malformed() from error
    if parts.scheme not in _PORTS:
        raise ProxySettingError(
            "its proxy is of a kind that is not supported; give one by http or https"
        )
    if not parts.hostname:
        raise _malformed()
    return HttpProxy(
        host=parts.hostname,
        port=proxy_port or _PORTS[parts.scheme],
        is_secure=parts.scheme == "https",
        login=_login(parts.username, parts.password),
    )


def _variable(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name) or environ.get(name.upper(), "")


def _is_excluded(host: str, port: int | None, excluded: str) -> bool:
    """Tell whether ``no_proxy`` names the host, or a network that holds its address."""
    # Only where there are proxies: the import costs as much as a small transfer.
    from urllib.request import (  # type: ignore[attr-defined]  # noqa: PLC0415
        proxy_bypass_environment,
    )

    authority = f"[{host}]" if ":" in host else host
    if port is not None:
        authority = f"{authority}:{port}"
    if proxy_bypass_environment(authority, {"no": excluded}):
        return True
    for each in excluded.split(","):
        try:
            if ip_address(host) in ip_network(each.strip(), strict=False):
                return True
        except ValueError:
            continue
    return False


def _login(user: str | None, password: str | None) -> dict[str, str]:
    if user is None:
        return {}
    pair = f"{unquote(user)}:{unquote(password or '')}"
    encoded = base64.b64encode(pair.encode()).decode()
    return {"proxy-authorization": f"Basic {encoded}"}


def _malformed() -> ProxySettingError:
    return ProxySettingError("the url of the proxy is malformed; see HTTP_PROXY")
