"""Checksums that urls ask for."""

import pytest

from tesk_model.locations import InvalidLocationError, parse_location

MD5, SHA256 = "0123456789abcdef" * 2, "0123456789abcdef" * 4
ASKED = {
    "one": (f"https://h/a#sha256={SHA256}", {"sha256": SHA256}),
    "in capitals": (f"http://h/a#SHA256={SHA256.upper()}", {"sha256": SHA256}),
    "after a query": (f"https://h/a?x=1#md5={MD5}", {"md5": MD5}),
    "several": (
        f"https://h/a#md5={MD5}&sha256={SHA256}",
        {"md5": MD5, "sha256": SHA256},
    ),
    "another fragment": ("https://h/a#section", {}),
    "another pair": ("https://h/a#page=3", {}),
    "of all kinds": (
        "https://h/a#crc32c=0000aBcd&sha384=" + 96 * "0",
        {"crc32c": "0000abcd", "sha384": 96 * "0"},
    ),
    "a query that looks like one": (f"https://h/a?sha256={SHA256}", {}),
    "a key of s3, which is literal": (f"s3://b/a#sha256={SHA256}", {}),
    "a path": (f"/a#sha256={SHA256}", {}),
}
REFUSED = {
    "a name that is mistyped": f"https://h/a#sha265={SHA256}",
    "an algorithm that is not known": f"https://h/a#sha-3={SHA256}",
    "too short": "https://h/a#sha256=12",
    "no hexadecimal": f"https://h/a#md5={'g' * 32}",
    "empty": "https://h/a#sha512=",
    "the second of two": f"https://h/a#md5={MD5}&sha1=1",
}


@pytest.mark.parametrize(("url", "want"), ASKED.values(), ids=ASKED)
def test_the_fragment_of_a_url_asks_for_checksums(
    url: str, want: dict[str, str]
) -> None:
    assert parse_location(url).checksums == want


@pytest.mark.parametrize("url", REFUSED.values(), ids=REFUSED)
def test_a_checksum_that_cannot_be_one_is_refused(url: str) -> None:
    with pytest.raises(
        InvalidLocationError, match=r"must be followed by|is none of the checksums"
    ):
        parse_location(url)


def test_a_file_is_the_same_whatever_checksum_a_url_asks_for() -> None:
    assert (
        parse_location(f"https://h/a#md5={MD5}").target
        == parse_location("https://h/a").target
    )
