"""Cookies of servers: each goes back to the origin that set it alone."""

import pytest

from tesk_filer.adapters.storage.http_cookies import Cookies
from tesk_model.locations import parse_location

SET_BY = "https://data.example.org/reads/a"
WRITTEN = {
    "for its host": "sid=abc; Path=/",
    "for a domain": "sid=abc; Path=/; Domain=example.org",
    "for a public suffix": "sid=abc; Path=/; Domain=org",
    "for TLS": "sid=abc; Path=/; Secure",
}
OTHERS = {
    "another port": "https://data.example.org:8443/reads/a",
    "another scheme": "http://data.example.org/reads/a",
    "another scheme at the same port": "http://data.example.org:443/reads/a",
    "another host of the domain": "https://login.example.org/reads/a",
    "the domain": "https://example.org/reads/a",
    "a host below it": "https://a.data.example.org/reads/a",
}


def returned(written: str, url: str, *, set_by: str = SET_BY) -> str:
    """Return what is sent to ``url`` after ``set_by`` has set a cookie."""
    cookies = Cookies()
    cookies.store(parse_location(set_by), [written])
    return cookies.header_for(parse_location(url))


@pytest.mark.parametrize("url", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
def test_no_cookie_goes_to_another_origin(written: str, url: str) -> None:
    assert returned(written, url) == ""


SAME = {
    "its default port": "https://data.example.org:443/b",
    "its name in upper case": "https://DATA.example.org/b",
    "another user": "https://ada:pw@data.example.org/b",
}


@pytest.mark.parametrize("url", SAME.values(), ids=SAME)
@pytest.mark.parametrize("kind", ["for its host", "for a domain", "for TLS"])
def test_a_cookie_goes_back_to_its_origin(kind: str, url: str) -> None:
    assert returned(WRITTEN[kind], url) == "sid=abc"


def test_a_cookie_for_tls_never_goes_without() -> None:
    written = WRITTEN["for TLS"]
    assert returned(written, "http://h.org/", set_by="http://h.org/") == ""


def test_a_cookie_goes_below_its_path_alone() -> None:
    written = "sid=abc; Path=/reads"
    assert returned(written, "https://data.example.org/reads/b") == "sid=abc"
    assert returned(written, "https://data.example.org/b") == ""


def test_origins_have_cookies_of_one_name_apart() -> None:
    cookies = Cookies()
    first, second = map(parse_location, ("http://h.org:1/a", "http://h.org:2/a"))
    cookies.store(first, ["sid=1"])
    cookies.store(second, ["sid=2"])

    assert (cookies.header_for(first), cookies.header_for(second)) == ("sid=1", "sid=2")
