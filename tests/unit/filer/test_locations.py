import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesk_filer.domain.locations import (
    InvalidUrlError,
    join,
    join_match,
    parse_url,
    redact,
    target_of,
    without_userinfo,
)

PATHS = {
    "a plain path is literal": ("/d/a%20b?c#d", "/d/a%20b?c#d"),
    "a file url is decoded": ("file:///d/a%20b", "/d/a b"),
    "in a file url a question mark is ordinary": ("file:///d/a?b#c", "/d/a?b#c"),
    "a file url may name this host": ("file://localhost/d", "/d"),
    "a file url may have one slash": ("file:/d", "/d"),
    "a scheme in capitals": ("FILE:///d", "/d"),
    "an S3 key is literal": (
        "s3://b/a%20b?versionId=1#d@e:f",
        "a%20b?versionId=1#d@e:f",
    ),
    "an S3 bucket alone": ("s3://b", ""),
    "an ftp path is decoded": ("ftp://h/a%20b?c#d", "a b?c#d"),
    "an ftp path is relative to the login": ("ftp://h/a/b", "a/b"),
    "an ftp path is absolute with %2F": ("ftp://h/%2Fa/b", "/a/b"),
    "an ftp path is absolute with a second slash": ("ftp://h//a/b", "/a/b"),
    "an ftp server may be named alone": ("ftp://h", ""),
    "the type of an ftp transfer is no part of its path": ("ftp://h/a;type=i", "a"),
    "an encoded type is": ("ftp://h/a%3Btype=i", "a;type=i"),
    "an http path is as written": ("http://h/a%20b?c=d", "/a%20b?c=d"),
    "an http query without a path": ("http://h?c=d", "/?c=d"),
    "an http query with an address in it": ("http://h?@i/c", "/?@i/c"),
    "an http host alone": ("http://h", "/"),
}


@pytest.mark.parametrize(("url", "want"), PATHS.values(), ids=PATHS)
def test_a_path_means_what_its_scheme_says(url: str, want: str) -> None:
    assert parse_url(url).path == want


def test_the_parts_of_a_url_are_decoded() -> None:
    location = parse_url("ftp://ada%40home:p%3Aw%2F@[::1]:2121/x")

    assert (location.user, location.password) == ("ada@home", "p:w/")
    assert (location.host, location.port) == ("[::1]", 2121)


REFUSED = {
    "a relative path": "data/a.txt",
    "nothing": "",
    "another scheme": "gopher://h/a",
    "no slashes": "s3:b/a",
    "no host": "http:///a",
    "no bucket": "s3:///a",
    "a port that is none": "ftp://h:port/a",
    "a port that is too large": "http://h:99999/a",
    "a file on another host": "file://server/share/a",
    "a relative file url": "file:a",
    "NUL": "/a\0b",
    "encoded NUL": "file:///a%00b",
    "an ftp command in the path": "ftp://h/a%0d%0aDELE b",
    "credentials for S3": "s3://key:s3cr3t@bucket/a",
    "a password with a slash": "ftp://ada:s3cr3t/x@h/a",
}


@pytest.mark.parametrize("url", REFUSED.values(), ids=REFUSED)
def test_a_bad_url_is_refused_without_repeating_credentials(url: str) -> None:
    with pytest.raises(InvalidUrlError) as caught:
        parse_url(url)

    assert "s3cr3t" not in str(caught.value)
    assert "s3cr3t" not in redact(url)


SHOWN = {
    "user and password go": ("ftp://u:p@h:21/a@b", "ftp://h:21/a@b"),
    "a user alone goes": ("http://u@h/a", "http://h/a"),
    "signatures go": ("https://h/a?X-Amz-Signature=s", "https://h/a?…"),
    "a plain path stays": ("/d/u:p@h", "/d/u:p@h"),
    "an at in a key stays": ("s3://b/u:p@h?x", "s3://b/u:p@h?x"),
    "a file url stays": ("file:///d/u:p@h", "file:///d/u:p@h"),
}


@pytest.mark.parametrize(("url", "want"), SHOWN.values(), ids=SHOWN)
def test_a_shown_url_holds_no_secret(url: str, want: str) -> None:
    assert redact(url) == want


ASKED = {
    "a query that looks like a host": ("http://h?@i/c", "http://h?@i/c"),
    "a query that looks like user and host": ("http://h?u:p@i/c", "http://h?u:p@i/c"),
    "user and password": ("http://u:p@h?q@i", "http://h?q@i"),
    "an address in a path": ("http://u@h/a?b@i", "http://h/a?b@i"),
}


@pytest.mark.parametrize(("url", "want"), ASKED.values(), ids=ASKED)
def test_who_is_asked_is_whose_login_is_looked_up(url: str, want: str) -> None:
    asked = without_userinfo(url)

    assert asked == want
    assert parse_url(asked).host == parse_url(url).host == "h"


ONE_FILE = {
    "a name may be encoded": ("http://h/a%20b%7E", "http://H:80/a b~"),
    "a fragment is not sent": ("https://h/a#b", "https://h/a"),
    "an ftp login is mostly put into the root": ("ftp://h/a//b", "ftp://h:21/%2Fa/b"),
    "a path has dots": ("file:///d/./a", "/d//a"),
}
OTHERS = {
    "a query may decide": ("http://h/a?b=c", "http://h/a?b=d"),
    "a query is as written": ("http://h/a?b=%20", "http://h/a?b=+"),
    "a name of S3 is literal": ("s3://b/a%20b", "s3://b/a b"),
    "one user's files are not another's": ("ftp://u@h/a", "ftp://v@h/a"),
}


@pytest.mark.parametrize(("one", "other"), ONE_FILE.values(), ids=ONE_FILE)
def test_urls_of_one_file_have_one_target(one: str, other: str) -> None:
    assert target_of(one) == target_of(other)


@pytest.mark.parametrize(("one", "other"), OTHERS.values(), ids=OTHERS)
def test_urls_of_two_files_have_two(one: str, other: str) -> None:
    assert target_of(one) != target_of(other)


JOINED = {
    "a plain path": ("/d/", "a b/c%", "/d/a b/c%"),
    "a file url": ("file:///d", "a b/c%", "file:///d/a%20b/c%25"),
    "s3": ("s3://b/d/", "a b?/c%", "s3://b/d/a b?/c%"),
    "an s3 bucket": ("s3://b", "a", "s3://b/a"),
    "http": ("http://h/d", "a?b#c", "http://h/d/a%3Fb%23c"),
    "a query stays behind": ("http://h/d/?sig=x", "a", "http://h/d/a?sig=x"),
    "ftp": ("ftp://h/d", "ä", "ftp://h/d/%C3%A4"),
    "ftp with a type": ("ftp://h/d;type=d", "a;b", "ftp://h/d/a%3Bb"),
}


@pytest.mark.parametrize(("url", "relative", "want"), JOINED.values(), ids=JOINED)
def test_joining_encodes_as_the_scheme_wants(
    url: str, relative: str, want: str
) -> None:
    assert join(url, relative) == want


def test_the_prefix_of_a_match_is_removed() -> None:
    assert join_match("/nf/wd", "/work/a.txt", "/work") == "/nf/wd/a.txt"
    assert join_match("file:///n f", "/w k/a b", "/w k") == "file:///n f/a%20b"


NAMES = st.text(
    st.characters(exclude_characters="/\0\r\n", exclude_categories=["Cs"]), min_size=1
)


@given(
    base=st.sampled_from(["/d", "file:///d", "ftp://h/d", "s3://b/d"]),
    names=st.lists(NAMES, min_size=1, max_size=3),
)
def test_what_was_joined_is_parsed_again(base: str, names: list[str]) -> None:
    relative = "/".join(names)

    parsed = parse_url(join(base, relative))

    assert parsed.path.lstrip("/") == f"d/{relative}"


@given(user=NAMES, password=st.text(st.characters(categories=["L", "N"]), min_size=8))
def test_no_userinfo_is_ever_shown(user: str, password: str) -> None:
    for host in ("h", "h:80", "h:none"):
        shown = without_userinfo(f"ftp://{user}:{password}@{host}/a")

        assert password not in shown
