"""What is cached, for whom, and what goes first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesk_filer.domain.cache_keys import CacheKey, cache_key, is_cacheable
from tesk_filer.domain.credentials import (
    AzureAccount,
    BearerToken,
    Credential,
    GcsAccount,
    Login,
    S3Account,
    S3Keys,
)
from tesk_filer.domain.evictions import Kept, choose_evictions
from tesk_model.locations import parse_location

S3 = "s3://genomes/hg38.fa"
WEB = "https://data.example.org/hg38.fa"
TAG = '"a1"'


def key(
    url: str,
    *,
    etag: str = TAG,
    size: int = 9,
    credential: Credential | None = None,
    owner: str = "alice",
) -> CacheKey | None:
    return cache_key(
        parse_location(url),
        etag=etag,
        size=size,
        credential=credential,
        owner=owner,
    )


KEYS = S3Account(endpoint="https://a", keys=S3Keys(access_key="1", secret_key="2"))
OTHER_KEYS = S3Account(
    endpoint="https://a", keys=S3Keys(access_key="3", secret_key="4")
)
SHARED: dict[str, tuple[str, Credential | None, Credential | None]] = {
    "without a credential": (WEB, None, None),
    "by keys of one service, which was asked": (S3, KEYS, OTHER_KEYS),
    "by keys of Google": (S3, GcsAccount(key="a"), GcsAccount(key="b")),
    "by keys of Azure": (S3, AzureAccount(key="a"), AzureAccount(sas="b")),
}


@pytest.mark.parametrize(("url", "one", "other"), SHARED.values(), ids=SHARED)
def test_what_both_may_read_is_shared(
    url: str, one: Credential | None, other: Credential | None
) -> None:
    assert key(url, credential=one, owner="alice") == key(
        url, credential=other, owner="bob"
    )


OWN: dict[str, tuple[str, Credential | None]] = {
    "a login": (WEB, Login(user="u", password="p")),
    "a token": (WEB, BearerToken(token="t")),
    "a user in the url": ("https://u:p@data.example.org/hg38.fa", None),
    "a query, which may be a signature": (f"{WEB}?X-Amz-Signature=1", None),
}


@pytest.mark.parametrize(("url", "credential"), OWN.values(), ids=OWN)
def test_what_an_owner_alone_may_read_is_not_shared(
    url: str, credential: Credential | None
) -> None:
    alice = key(url, credential=credential, owner="alice")

    assert alice is not None
    assert alice == key(url, credential=credential, owner="alice")
    assert alice != key(url, credential=credential, owner="bob")
    assert key(url, credential=credential, owner="") is None


NOT_CACHED = {
    "a weak ETag": (WEB, 'W/"a1"'),
    "an ETag without quotes": (WEB, "a1"),
    "no ETag": (WEB, ""),
    "no ETag in S3": (S3, ""),
    "a file of this machine": ("/data/a", TAG),
    "a file of FTP": ("ftp://h/a", TAG),
}


@pytest.mark.parametrize(("url", "etag"), NOT_CACHED.values(), ids=NOT_CACHED)
def test_what_does_not_name_its_content_is_not_cached(url: str, etag: str) -> None:
    assert key(url, etag=etag) is None


def test_a_key_is_of_one_content_of_one_url_of_one_service() -> None:
    named = [
        key(S3),
        key(S3, etag='"a2"'),
        key(S3, size=10),
        key("s3://genomes/hg38.fa.fai"),
        key(S3, credential=S3Account(endpoint="https://a")),
        key(S3, credential=S3Account(endpoint="https://b")),
    ]

    assert None not in named
    assert len(set(named)) == len(named)
    assert key(f"{WEB}:443".replace(":443", "")) == key(
        "https://DATA.example.org:443/hg38.fa"
    )


def test_a_key_shows_neither_url_nor_owner() -> None:
    found = key("https://u:s3cret@data.example.org/hg38.fa", owner="alice")

    assert found is not None
    assert len(found.name) == 64
    assert set(found.name) <= set("0123456789abcdef")


def test_only_schemes_with_strong_etags_are_cacheable() -> None:
    found = {
        name: is_cacheable(parse_location(url))
        for name, url in (
            ("s3", S3),
            ("https", WEB),
            ("file", "/a"),
            ("ftp", "ftp://h/a"),
        )
    }

    assert found == {"s3": True, "https": True, "file": False, "ftp": False}


ENTRIES = st.lists(
    st.builds(Kept, st.text(max_size=3), st.integers(0, 50), st.integers(0, 20)),
    max_size=12,
)


@given(kept=ENTRIES, wanted=st.integers(-10, 400))
def test_no_more_goes_than_is_wanted_and_that_was_used_the_longest_ago(
    kept: list[Kept], wanted: int
) -> None:
    evicted = choose_evictions(kept, wanted=wanted)

    if evicted is None:
        assert wanted > sum(each.size for each in kept)
        return
    by_age = sorted(kept, key=lambda each: each.used_at)
    assert list(evicted) == by_age[: len(evicted)]
    assert sum(each.size for each in evicted) >= wanted
    if evicted:
        assert sum(each.size for each in evicted[:-1]) < wanted
