"""Which proxy the environment names for a server."""

import pytest

from tesk_runtime.egress.proxies import ProxySettingError, proxy_of

PROXIES = {
    "that is not named": ({}, None),
    "of the scheme": ({"http_proxy": "http://p:3128"}, ("p", 3128)),
    "of another scheme": ({"https_proxy": "http://p:3128"}, None),
    "for all": ({"ALL_PROXY": "p"}, ("p", 80)),
    "but for the host": ({"http_proxy": "p", "no_proxy": "x,10.1.2.3"}, None),
    "but for the port": ({"http_proxy": "p", "no_proxy": "10.1.2.3:81"}, ("p", 80)),
    "but for its network": ({"http_proxy": "p", "NO_PROXY": "10.0.0.0/8"}, None),
}


@pytest.mark.parametrize(("environ", "expected"), PROXIES.values(), ids=PROXIES)
def test_the_environment_names_the_proxy(
    environ: dict[str, str], expected: tuple[str, int] | None
) -> None:
    found = proxy_of("http", "10.1.2.3", 8080, environ)
    assert expected == (found and (found.host, found.port))


EXCLUDED = {
    "a name": ("hooks.example.org", 443, "hooks.example.org"),
    "a domain": ("hooks.example.org", 443, ".example.org"),
    "a domain with a port": ("hooks.example.org", 8443, "example.org:8443"),
    "the usual port": ("hooks.example.org", 443, "example.org"),
    "an address of IPv6": ("fd00::1", None, "fd00::/8"),
    "all": ("hooks.example.org", 443, "*"),
}


@pytest.mark.parametrize(("host", "port", "no_proxy"), EXCLUDED.values(), ids=EXCLUDED)
def test_is_reached_directly(host: str, port: int | None, no_proxy: str) -> None:
    environ = {"https_proxy": "http://p:3128", "no_proxy": no_proxy}

    assert proxy_of("https", "other.example.com", port, {**environ, "no_proxy": "x"})
    assert proxy_of("https", host, port, environ) is None


def test_a_proxy_has_a_login_that_is_not_shown() -> None:
    found = proxy_of("https", "h", None, {"HTTPS_PROXY": "https://ada:p%40ss@p"})

    assert found is not None
    assert (found.port, found.is_secure) == (443, True)
    assert found.login == {"proxy-authorization": "Basic YWRhOnBAc3M="}
    assert "YWRhOnBAc3M" not in repr(found)


@pytest.mark.parametrize("url", ["http://p:port", "http://", "socks5://p:1"])
def test_a_proxy_that_cannot_be_used_is_told(url: str) -> None:
    with pytest.raises(ProxySettingError, match="proxy"):
        proxy_of("http", "host", None, {"http_proxy": url})
