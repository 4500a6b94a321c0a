"""Which file a url names, and what the urls of those below it are."""

import pytest

from tesk_model.locations import (
    parse_location,
    with_parents,
)

ONE_FILE = {
    "a name may be encoded": ("http://h/a%20b%7E", "http://H:80/a b~"),
    "a fragment is not sent": ("https://h/a#b", "https://h/a"),
    "an ftp login is mostly put into the root": ("ftp://h/a//b", "ftp://h:21/%2Fa/b"),
    "a path has dots": ("file:///d/./a", "/d//a"),
    "a directory may end in a slash": ("s3://b/d/", "S3://b/d"),
    "sftp has a usual port": ("sftp://h/a/", "sftp://H:22//a"),
    "a directory of HDFS, too": ("webhdfs://h/d//a/", "webhdfs://H:9870/d/a"),
}
OTHERS = {
    "a query may decide": ("http://h/a?b=c", "http://h/a?b=d"),
    "a query is as written": ("http://h/a?b=%20", "http://h/a?b=+"),
    "an encoded question mark is part of a name": ("http://h/a%3Fb", "http://h/a?b"),
    "a name of S3 is literal": ("s3://b/a%20b", "s3://b/a b"),
    "a key may begin with a slash": ("s3://b//a", "s3://b/a"),
    "also one of Google's": ("gs://b//a", "gs://b/a"),
    "two containers have files of their own": ("abfs://c@h/a", "abfs://d@h/a"),
    "one user's files are not another's": ("ftp://u@h/a", "ftp://v@h/a"),
    "a scheme may have files of its own": ("http://h:443/a", "https://h/a"),
}


@pytest.mark.parametrize(("one", "other"), ONE_FILE.values(), ids=ONE_FILE)
def test_urls_of_one_file_have_one_target(one: str, other: str) -> None:
    assert parse_location(one).target == parse_location(other).target


@pytest.mark.parametrize(("one", "other"), OTHERS.values(), ids=OTHERS)
def test_urls_of_two_files_have_two(one: str, other: str) -> None:
    assert parse_location(one).target != parse_location(other).target


def test_parents_end_at_the_host() -> None:
    target = parse_location("ftp://a%2Fb@h/c/d").target

    assert list(with_parents(target)) == [
        "ftp://a%2Fb@h:21/c/d",
        "ftp://a%2Fb@h:21/c",
        "ftp://a%2Fb@h:21",
    ]


FILES = {
    "s3://b/a": True,
    "s3://b/a/": False,
    "s3://b": False,
    "http://h/a?b=c/": True,
    "http://h/a/?b=c": False,
    "http://h": False,
    "ftp://h/a/;type=i": False,
    "/a": True,
    "/": False,
}


@pytest.mark.parametrize(("url", "want"), FILES.items(), ids=FILES)
def test_a_file_has_a_name(url: str, *, want: bool) -> None:
    assert parse_location(url).names_a_file is want


BELOW = {
    "a plain path": ("/d/", "a b/c%", "/d/a b/c%"),
    "the root": ("/", "a", "/a"),
    "a file url": ("file:///d", "a b/c%", "file:///d/a%20b/c%25"),
    "the root of file urls": ("file:///", "a", "file:///a"),
    "s3": ("s3://b/d/", "a b?/c%", "s3://b/d/a b?/c%"),
    "an s3 bucket": ("s3://b", "a", "s3://b/a"),
    "an s3 bucket, with a slash": ("s3://b/", "a", "s3://b/a"),
    "keys of s3 that begin with a slash": ("s3://b//", "a", "s3://b//a"),
    "s3 with two slashes": ("s3://b/d//", "a", "s3://b/d//a"),
    "http with two slashes": ("http://h/d//", "a", "http://h/d/a"),
    "gs": ("gs://b", "a%20?", "gs://b/a%20?"),
    "abfs": ("abfs://c@h/d/", "a b@c", "abfs://c@h/d/a b@c"),
    "hdfs": ("hdfs://h/d", "a b%?", "hdfs://h/d/a b%?"),
    "http": ("http://h/d", "a?b#c", "http://h/d/a%3Fb%23c"),
    "a query stays behind": ("http://h/d/?sig=x", "a", "http://h/d/a?sig=x"),
    "ftp": ("ftp://h/d", "ä", "ftp://h/d/%C3%A4"),
    "ftp with a type": ("ftp://h/d;type=d", "a;b", "ftp://h/d/a%3Bb"),
    "the root of ftp": ("ftp://h//", "a", "ftp://h//a"),
    "the root of ftps": ("ftps://h//", "a", "ftps://h//a"),
    "the login of sftp": ("sftp://h/~", "a\udcff", "sftp://h/~/a%FF"),
    "a name that is no UTF-8": ("file:///d", "a\udcff", "file:///d/a%FF"),
}


@pytest.mark.parametrize(("url", "name", "want"), BELOW.values(), ids=BELOW)
def test_names_are_encoded_as_the_scheme_wants(url: str, name: str, want: str) -> None:
    assert parse_location(url).below(name).url == want


MATCHES = {
    "the specification's example": ("/nf/wd", "/work/a.txt", "/work", "/nf/wd/a.txt"),
    "slashes on both sides": ("s3://b/x/", "/work/a.txt", "/work/", "s3://b/x/a.txt"),
    "subdirectory kept": ("s3://b", "/work/d/a", "/work", "s3://b/d/a"),
    "encoded": ("file:///n f", "/w k/a b", "/w k", "file:///n f/a%20b"),
    "prefix ends inside a name": (
        "s3://b",
        "/work/run1.txt",
        "/work/run",
        "s3://b/1.txt",
    ),
}


@pytest.mark.parametrize(
    ("url", "match", "prefix", "want"), MATCHES.values(), ids=MATCHES
)
def test_the_prefix_of_a_match_is_removed(
    url: str, match: str, prefix: str, want: str
) -> None:
    assert parse_location(url).of_match(match, prefix).url == want
