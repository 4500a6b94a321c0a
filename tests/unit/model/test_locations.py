"""Urls are parsed, and shown without secrets."""

import pytest

from tesk_model.locations import (
    InvalidLocationError,
    Location,
    describe_url,
    parse_location,
)

READ = {
    "a plain path is literal": (
        "/d/a%20b?c#d",
        Location(scheme="file", path="/d/a%20b?c#d", written="/d/a%20b?c#d"),
    ),
    "a path may look like a url with a password": (
        "/d/u:p@h",
        Location(scheme="file", path="/d/u:p@h", written="/d/u:p@h"),
    ),
    "a file url is decoded, a question mark is ordinary": (
        "file:///d/a%20b?c#d",
        Location(
            scheme="file", path="/d/a b?c#d", root="file://", written="/d/a%20b?c#d"
        ),
    ),
    "a file url may have one slash": (
        "file:/d",
        Location(scheme="file", path="/d", root="file://", written="/d"),
    ),
    "a file url may name this host, scheme and host in any case": (
        "FILE://LocalHost/d",
        Location(scheme="file", path="/d", root="file://", written="/d"),
    ),
    "an S3 key is literal": (
        "S3://b/a%20b?versionId=1#d@e:f",
        Location(
            scheme="s3",
            host="b",
            path="a%20b?versionId=1#d@e:f",
            root="s3://b",
            written="/a%20b?versionId=1#d@e:f",
        ),
    ),
    "an S3 bucket alone": (
        "s3://b",
        Location(scheme="s3", host="b", path="", root="s3://b"),
    ),
    "the name of an object of Google's is literal": (
        "gs://b/a%20b?x#1#d@e:f//",
        Location(
            scheme="gs",
            host="b",
            path="a%20b?x#1#d@e:f//",
            root="gs://b",
            written="/a%20b?x#1#d@e:f//",
        ),
    ),
    "a blob is literal": (
        "az://c/a%20b?x#d",
        Location(
            scheme="az", host="c", path="a%20b?x#d", root="az://c", written="/a%20b?x#d"
        ),
    ),
    "an abfs url names a container and an account": (
        "ABFSS://c@a.dfs.core.windows.net/d/a%20b@x",
        Location(
            scheme="abfss",
            host="c@a.dfs.core.windows.net",
            path="d/a%20b@x",
            root="abfss://c@a.dfs.core.windows.net",
            written="/d/a%20b@x",
        ),
    ),
    "a path of HDFS is literal and absolute, its user is one": (
        "webhdfs://ada@nn:9870/d/a%20b?c#d",
        Location(
            scheme="webhdfs",
            host="nn",
            port=9870,
            user="ada",
            path="/d/a%20b?c#d",
            root="webhdfs://nn:9870",
            written="/d/a%20b?c#d",
        ),
    ),
    "an ftp path is decoded and relative to the login": (
        "ftp://h/a%20b?c#d",
        Location(
            scheme="ftp", host="h", path="a b?c#d", root="ftp://h", written="/a%20b?c#d"
        ),
    ),
    "an ftp path is absolute with %2F": (
        "ftp://h/%2Fa/b",
        Location(
            scheme="ftp", host="h", path="/a/b", root="ftp://h", written="/%2Fa/b"
        ),
    ),
    "an ftp path is absolute with a second slash": (
        "ftp://h//a/b",
        Location(scheme="ftp", host="h", path="/a/b", root="ftp://h", written="//a/b"),
    ),
    "the type of an ftp transfer is no part of its path": (
        "ftp://h/a;TYPE=I",
        Location(scheme="ftp", host="h", path="a", root="ftp://h", written="/a"),
    ),
    "an encoded type is": (
        "ftp://h/a%3Btype=i",
        Location(
            scheme="ftp",
            host="h",
            path="a;type=i",
            root="ftp://h",
            written="/a%3Btype=i",
        ),
    ),
    "ftps is as ftp": (
        "ftps://h:990/a%20b;type=i",
        Location(
            scheme="ftps",
            host="h",
            port=990,
            path="a b",
            root="ftps://h:990",
            written="/a%20b",
        ),
    ),
    "an sftp path is absolute": (
        "sftp://ada@h/a%20b?c#d;type=i",
        Location(
            scheme="sftp",
            host="h",
            user="ada",
            path="/a b?c#d;type=i",
            root="sftp://h",
            written="/a%20b?c#d;type=i",
        ),
    ),
    "an sftp path may hold a line end": (
        "sftp://h:2222/~/a%0A",
        Location(
            scheme="sftp",
            host="h",
            port=2222,
            path="/~/a\n",
            root="sftp://h:2222",
            written="/~/a%0A",
        ),
    ),
    "an http query ends the path": (
        "http://h/a%20b?c=d#e",
        Location(
            scheme="http",
            host="h",
            path="/a b",
            query="?c=d#e",
            root="http://h",
            written="/a%20b",
        ),
    ),
    "an http query ends the host": (
        "http://h?@i/c",
        Location(
            scheme="http",
            host="h",
            path="/",
            query="?@i/c",
            root="http://h",
            written="/",
        ),
    ),
    "an http fragment ends the host": (
        "http://h#@i/c",
        Location(
            scheme="http",
            host="h",
            path="/",
            query="#@i/c",
            root="http://h",
            written="/",
        ),
    ),
    "user and password are decoded, brackets of IPv6 go": (
        "ftp://ada%40home:p%3Aw%2F@[::1]:2121/x",
        Location(
            scheme="ftp",
            host="::1",
            port=2121,
            user="ada@home",
            password="p:w/",
            path="x",
            root="ftp://[::1]:2121",
            written="/x",
        ),
    ),
    "the last at ends the user": (
        "http://a@b@h/c",
        Location(
            scheme="http",
            host="h",
            user="a@b",
            path="/c",
            root="http://h",
            written="/c",
        ),
    ),
}


@pytest.mark.parametrize(("text", "want"), READ.values(), ids=READ)
def test_a_url_is_read_as_its_scheme_says(text: str, want: Location) -> None:
    assert parse_location(text) == want


REFUSED = {
    "a relative path": "data/a.txt",
    "nothing": "",
    "another scheme": "gopher://h/a",
    "no slashes": "s3:b/a",
    "no host": "http:///a",
    "no bucket": "s3:///a",
    "a port that is none": "ftp://h:port/a",
    "no port behind a colon": "http://h:/a",
    "a port that is too large": "http://h:99999/a",
    "a port beyond all bounds": f"http://h:{'9' * 5000}/a",
    "a port in other digits": "http://h:٣/a",
    "a bucket with a port": "s3://b:80/a",
    "a bucket of Google's with a port": "gs://b:80/a",
    "credentials for Google": "gs://ada:s3cr3t@bucket/a",
    "credentials for Azure": "az://ada:s3cr3t@container/a",
    "credentials in place of a container": "abfs://ada:s3cr3t@h/a",
    "an account without container": "abfs://a.dfs.core.windows.net/a",
    "a bucket with a question mark": "s3://b?versionId=1",
    "an ftp host with a question mark": "ftp://h?a",
    "a host with a backslash": "http://good\\evil/a",
    "a host with a blank": "http://a b/c",
    "a file on another host": "file://server/share/a",
    "a relative file url": "file:a",
    "NUL": "/a\0b",
    "encoded NUL": "file:///a%00b",
    "an ftp command in the path": "ftp://h/a%0d%0aDELE b",
    "an ftps command in the path": "ftps://h/a%0d%0aDELE b",
    "NUL in sftp": "sftp://h/a%00",
    "credentials for S3": "s3://key:s3cr3t@bucket/a",
    "a password with a slash": "ftp://ada:s3cr3t/x@h/a",
    "a password with a question mark": "http://ada:s3cr3t?x@h/a",
    "a password with a hash": "https://ada:s3cr3t#x@h/a",
    "a login without host": "http://ada:s3cr3t@/a",
    "a scheme that is a password": "ada:s3cr3t@h/a",
}


@pytest.mark.parametrize("url", REFUSED.values(), ids=REFUSED)
def test_a_bad_url_is_refused_without_repeating_credentials(url: str) -> None:
    with pytest.raises(InvalidLocationError) as caught:
        parse_location(url)

    assert "s3cr3t" not in str(caught.value)
    assert "s3cr3t" not in describe_url(url)


SHOWN = {
    "user and password go": ("ftp://u:p@h:21/a@b", "ftp://h:21/a@b"),
    "a user alone goes": ("http://u@h/a", "http://h/a"),
    "signatures go": ("https://h/a?X-Amz-Signature=s", "https://h/a?…"),
    "fragments go": ("https://h/a#token=s", "https://h/a#…"),
    "a plain path stays": ("/d/u:p@h", "/d/u:p@h"),
    "a container stays": ("abfs://c@h/a", "abfs://c@h/a"),
    "an at in a key stays": ("s3://b/u:p@h?x", "s3://b/u:p@h?x"),
    "a file url stays": ("file:///d/u:p@h", "file:///d/u:p@h"),
    "bytes that are no UTF-8 become question marks": ("/d/\udcff", "/d/?"),
    "what is no url stays if it can hold no secret": ("gopher://h/a", "gopher://h/a"),
    "of what is no url only the scheme is sure": ("gopher://u:p@h/a?b", "gopher:…"),
}


@pytest.mark.parametrize(("url", "want"), SHOWN.values(), ids=SHOWN)
def test_a_shown_url_holds_no_secret(url: str, want: str) -> None:
    assert describe_url(url) == want
