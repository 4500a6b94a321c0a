"""By what a content is known again, and how two differ."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesk_filer.domain.comparisons import find_difference
from tesk_filer.domain.identities import identity_of
from tesk_model.identities import FileIdentity
from tesk_model.locations import parse_location

SHA256 = "ab" * 32
SOURCES = {
    "the ETag of an object": ("s3://b/k", '"9b2c"', {}, 'etag "9b2c"'),
    "of a service without quotes": ("s3://b/k", "9b2c", {}, "etag 9b2c"),
    "the generation of Google": ("gs://b/k", "17", {}, "generation 17"),
    "the ETag of Azure": ("az://c/b", '"0x8"', {}, 'etag "0x8"'),
    "a strong one of a web server": ("https://h/x", '"v1"', {}, 'etag "v1"'),
    "no weak one": ("https://h/x", 'W/"v1"', {}, ""),
    "no time": ("https://h/x", "Sat, 29 Oct 1994 19:43:31 GMT", {}, ""),
    "a digest without an ETag": (
        "drs://h/id",
        "",
        {"sha256": SHA256},
        f"sha256 {SHA256}",
    ),
    "no digest that two contents may share": ("drs://h/id", "", {"md5": "ab"}, ""),
    "no time and inode of a file": ("file:///x", "1-2-3", {}, ""),
    "nothing of ftp": ("ftp://h/x", "", {}, ""),
    "nothing that is too long": ("s3://b/k", "x" * 1000, {}, ""),
}


@pytest.mark.parametrize(
    ("url", "etag", "checksums", "want"), SOURCES.values(), ids=SOURCES
)
def test_a_content_is_known_again_by(
    url: str, etag: str, checksums: dict[str, str], want: str
) -> None:
    found = identity_of(parse_location(url), etag=etag, checksums=checksums)

    assert found == want


def file(size: int = 3, identity: str = "etag 1") -> FileIdentity:
    return FileIdentity(
        direction="inputs",
        url="s3://b/k",
        path="/k",
        size_bytes=size,
        identity=identity,
    )


DIFFERENCES = {
    "none": (file(), 3, "etag 1", ""),
    "another content": (
        file(),
        3,
        "etag 2",
        "is another one now: 3 bytes, etag 2, and was 3 bytes, etag 1",
    ),
    "another size": (
        file(),
        4000,
        "etag 1",
        "is another one now: 4,000 bytes, etag 1, and was 3 bytes, etag 1",
    ),
    "an unknown size": (
        file(),
        None,
        "etag 1",
        "is another one now: etag 1, and was 3 bytes, etag 1",
    ),
    "a new file": (None, 3, "etag 1", "is new: it was not there before"),
    "nothing to know it by": (
        file(),
        3,
        "",
        "has nothing by which its content is known again",
    ),
    "nothing that it was known by": (
        file(identity=""),
        3,
        "",
        "has nothing by which its content is known again",
    ),
}


@pytest.mark.parametrize(
    ("before", "size", "identity", "want"), DIFFERENCES.values(), ids=DIFFERENCES
)
def test_the_difference_of_a_file(
    before: FileIdentity | None, size: int | None, identity: str, want: str
) -> None:
    assert find_difference(before, size=size, identity=identity) == want


@given(
    st.integers(0, 9),
    st.text(max_size=3),
    st.none() | st.integers(0, 9),
    st.text(max_size=3),
)
def test_only_equal_sizes_and_identities_are_the_same(
    size: int, was: str, now_size: int | None, now: str
) -> None:
    same = not find_difference(file(size, was), size=now_size, identity=now)

    assert same == (bool(was) and (size, was) == (now_size, now))
