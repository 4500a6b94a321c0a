"""Which urls the operator's lists let tasks use."""

from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesk_model.locations import parse_location
from tesk_model.url_lists import UrlLists, parse_url_lists

Lists = tuple[tuple[str, ...], tuple[str, ...]]
WEB = ("https://data.example.org/pub",)

ALLOWED: dict[str, tuple[Lists, str]] = {
    "anything without lists": (((), ()), "http://[::1]/../a"),
    "what is listed itself": ((WEB, ()), "https://data.example.org/pub"),
    "what lies below it": ((WEB, ()), "https://data.example.org/pub/a/b?c=..#d"),
    "its host in other case": ((WEB, ()), "https://DATA.example.org./pub/a"),
    "its path encoded": ((WEB, ()), "https://data.example.org/p%75b/a"),
    "its path with slashes doubled": ((WEB, ()), "https://data.example.org//pub//a"),
    "its usual port": ((WEB, ()), "https://data.example.org:443/pub/a"),
    "any port of it": ((WEB, ()), "https://data.example.org:8443/pub/a"),
    "with user and password": ((WEB, ()), "https://u:p@data.example.org/pub/a"),
    "a whole scheme": ((("https://",), ()), "https://any.example.org/x"),
    "a bucket": ((("s3://bucket",), ()), "s3://bucket/a?b"),
    "a path": ((("/data",), ()), "file:///data/x"),
    "a file url": ((("file:///data",), ()), "/data/x"),
    "hosts below a domain": ((("ftp://*.example.org",), ()), "ftp://a.b.example.org/"),
    "one form of IPv6": ((("http://[::1]",), ()), "http://[0:0:0::1]/a"),
    "an exception from a refusal": (
        (WEB, ("https://",)),
        "https://data.example.org/pub",
    ),
    "all but a refusal": (((), ("https://other.example.org",)), WEB[0]),
    "a host within a refused domain": (
        (("http://a.example.org",), ("http://*.example.org/deep/path",)),
        "http://a.example.org/deep/path",
    ),
    "a port of what is refused": (
        (("https://data.example.org:8443/pub",), WEB),
        "https://data.example.org:8443/pub/a",
    ),
}
REFUSED: dict[str, tuple[Lists, str]] = {
    "what is not listed": ((WEB, ()), "https://other.example.org/pub"),
    "a name that only begins so": ((WEB, ()), "https://data.example.org/public"),
    "a host that only begins so": ((WEB, ()), "https://data.example.org.evil.org/pub"),
    "a user that looks like the host": (
        (WEB, ()),
        "https://data.example.org@evil.org/pub",
    ),
    "another scheme": ((WEB, ()), "http://data.example.org/pub"),
    "another port": (
        (("https://data.example.org:443",), ()),
        "https://data.example.org:8443/",
    ),
    "the domain itself": ((("ftp://*.example.org",), ()), "ftp://example.org/"),
    "a path that climbs out": ((WEB, ()), "https://data.example.org/pub/../x"),
    "a path that climbs out encoded": (
        (WEB, ()),
        "https://data.example.org/pub/%2e%2E/x",
    ),
    "a path that climbs out by another slash": (
        (WEB, ()),
        "https://data.example.org/pub/..%5Cx",
    ),
    "another slash": ((WEB, ()), "https://data.example.org/pub%5Cx"),
    "a refusal within what is listed": (
        (WEB, (f"{WEB[0]}/private",)),
        f"{WEB[0]}/private/a",
    ),
    "a refusal as long": ((WEB, WEB), f"{WEB[0]}/a"),
    "a longer refusal, than what is listed with a port": (
        (("https://data.example.org:443",), WEB),
        "https://data.example.org/pub/a",
    ),
    "a longer refusal, of two paths": (
        (("https://data.example.org:8443/pub",), (f"{WEB[0]}/private",)),
        "https://data.example.org:8443/pub/private/a",
    ),
    "a refused port of what is listed with a path": (
        (WEB, ("https://data.example.org:8443",)),
        "https://data.example.org:8443/pub/a",
    ),
    "a refusal of a host": (((), ("https://*.example.org",)), WEB[0]),
    "another bucket": ((("s3://bucket",), ()), "s3://bucket2/a"),
}


def problem(lists: UrlLists, url: str) -> str | None:
    return lists.problem(parse_location(url))


@pytest.mark.parametrize(("lists", "url"), ALLOWED.values(), ids=ALLOWED)
def test_may_be_used(lists: Lists, url: str) -> None:
    assert problem(parse_url_lists(*lists), url) is None


@pytest.mark.parametrize(("lists", "url"), REFUSED.values(), ids=REFUSED)
def test_may_not_be_used(lists: Lists, url: str) -> None:
    assert "is refused here" in (problem(parse_url_lists(*lists), url) or "")


def test_a_refusal_names_the_pattern_and_its_setting() -> None:
    lists = parse_url_lists((), ("https://data.example.org/private",))

    assert problem(lists, "https://data.example.org/private/a") == (
        'is refused here: it begins with "https://data.example.org/private" (urls.deny)'
    )


MALFORMED = {
    "no url": ("data.example.org", "neither a url"),
    "an unknown scheme": ("gopher://", "not supported"),
    "a query": ("https://data.example.org/a?b", "nor query"),
    "a password": ("https://a:b@data.example.org/", "nor password"),
    "a climbing path": ("https://data.example.org/a/../b", "must not hold"),
}


@pytest.mark.parametrize(("text", "says"), MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_pattern_is_named_with_its_setting(text: str, says: str) -> None:
    for setting, lists in (("allow", ([text], [])), ("deny", ([], [text]))):
        with pytest.raises(ValueError, match=rf"urls\.{setting} .*{says}") as caught:
            parse_url_lists(*lists)

        assert "a:b" not in str(caught.value)


SEGMENT = st.text("ab+%", min_size=1, max_size=3)


@given(st.lists(SEGMENT, max_size=4), st.lists(SEGMENT, max_size=4))
def test_what_is_refused_is_refused_however_its_path_is_written(
    refused: list[str], more: list[str]
) -> None:
    lists = parse_url_lists((), ("/".join(["http://host", *map(quote, refused)]),))
    path = "/".join(map(quote, [*refused, *more]))
    encoded = "".join(f"%{ord(char):02x}" for char in unquote(path))

    for written in (path, encoded, path.replace("/", "//")):
        assert problem(lists, f"http://host/{written}")
