"""What is said of a url whose host, bucket or container is missing or wrong."""

import pytest

from tesk_model.locations import InvalidLocationError, parse_location

SAID = {
    "no bucket": ("s3://", "names no bucket; there is s3://bucket/key"),
    "a key without bucket": ("s3:///a", "names no bucket; there is s3://bucket/key"),
    "no bucket of Google": ("gs://", "names no bucket; there is gs://bucket/name"),
    "no container": ("az://", "names no container; there is az://container/blob"),
    "a path without namenode": (
        "hdfs:///a",
        "names no host; there is hdfs://host/path",
    ),
    "no host": ("http:///a", "names no host; there is http://host/path"),
    "a port alone": ("ftp://:21/a", "names no host; there is ftp://host/path"),
    "a login alone": (
        "sftp://ada:s3cr3t@/a",
        "names no host; there is sftp://user@host/path",
    ),
    "an account that is missing": (
        "abfs://c@/a",
        "names no host; there is abfs://container@account.dfs.core.windows.net/path",
    ),
    "a container that is missing": (
        "abfs:///a",
        (
            "names no valid container; there is "
            "abfs://container@account.dfs.core.windows.net/path"
        ),
    ),
    "a bucket with a port": (
        "s3://localhost:9000/b/a",
        "names a port, and a bucket has none; there is s3://bucket/key",
    ),
    "a bucket with a blank": (
        "s3://a b/c",
        "names no valid bucket; there is s3://bucket/key",
    ),
    "a port that is too large": (
        "http://h:99999/a",
        "names no valid host; there is http://host/path",
    ),
    "a host that is not ASCII": (
        "https://dätä.example.org/a",
        "write its host in ASCII (xn--…)",
    ),
    "a host of another script": (
        "sftp://ada:s3cr3t@例え.jp/a",
        "write its host in ASCII (xn--…)",
    ),
    "an account that is not ASCII": (
        "abfs://c@dätä.dfs.core.windows.net/a",
        "write its host in ASCII (xn--…)",
    ),
    "a bucket that is not ASCII": (
        "s3://dätä/a",
        "names no valid bucket; there is s3://bucket/key",
    ),
}


@pytest.mark.parametrize(("url", "want"), SAID.values(), ids=SAID)
def test_what_is_missing_is_said_in_the_word_of_the_scheme(url: str, want: str) -> None:
    with pytest.raises(InvalidLocationError) as caught:
        parse_location(url)

    assert str(caught.value) == want
