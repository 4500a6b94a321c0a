"""What S3 says in XML and headers."""

import hashlib
from base64 import b64encode
from datetime import timedelta

import pytest

from tesk_filer.adapters.storage.s3_checksums import read_checksums
from tesk_filer.adapters.storage.s3_errors import explain_refusal
from tesk_filer.adapters.storage.s3_messages import parse_error, parse_listing
from tesk_filer.adapters.storage.s3_uploads import part_size
from tesk_filer.ports import ChangedError, StorageError

LISTING = """<ListBucketResult{space}>{encoding}<IsTruncated>{truncated}</IsTruncated>
<Contents><Key>{key}</Key><Size>3</Size><ETag>&quot;e&quot;</ETag></Contents>
{token}</ListBucketResult>"""


def listing(
    key: str,
    *,
    space: str = "",
    encoding: str = "",
    truncated: str = "",
    token: str = "",
) -> bytes:
    return LISTING.format(
        space=space, encoding=encoding, truncated=truncated, token=token, key=key
    ).encode()


def test_keys_are_read_as_the_service_encodes_them() -> None:
    encoded = listing("a%2Bb+c%01%25", encoding="<EncodingType>url</EncodingType>")
    plain = listing("a%2Bb+c", space=' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"')

    assert parse_listing(encoded).entries[0].name == "a+b c\x01%"
    assert parse_listing(plain).entries[0].name == "a%2Bb+c"
    assert (parse_listing(plain).entries[0].size, parse_listing(plain).token) == (
        3,
        "",
    )


BAD = {
    "no xml": b"<html>",
    "another document": b"<Other/>",
    "a listing that ends without saying so": listing("a", truncated="true"),
    "a key without a name": listing(""),
    "entities that grow": b'<!DOCTYPE a [<!ENTITY b "'
    + b"x" * 1000
    + b'">'
    + b"".join(
        f'<!ENTITY b{n} "{f"&b{n - 1 if n else str()};" * 20}">'.encode()
        for n in range(9)
    )
    + b"]><ListBucketResult>&b8;</ListBucketResult>",
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
def test_a_listing_that_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(StorageError):
        parse_listing(body)

    assert parse_error(body).code == ""


def refusal(status: int, code: str, **headers: str) -> StorageError:
    body = f"<Error><Code>{code}</Code><Message>why</Message></Error>" if code else ""
    return explain_refusal(status, headers, body.encode())


REFUSALS = {
    "a missing key": (404, "NoSuchKey", False, False, "does not exist"),
    "a missing bucket": (404, "NoSuchBucket", False, False, "bucket does not exist"),
    "no right": (403, "AccessDenied", False, False, "access denied"),
    "no right, to HEAD": (403, "", False, False, "access denied"),
    "too many requests": (503, "SlowDown", True, True, "SlowDown"),
    "too many requests, by a proxy": (429, "", True, True, "429"),
    "a failure of the service": (500, "InternalError", True, False, "why"),
    "a body that was changed on its way": (
        *(400, "XAmzContentSHA256Mismatch", True, False),
        "why",
    ),
    "a request that came too late, by a proxy": (408, "", True, False, "408"),
    "no space": (507, "XMinioStorageFull", False, False, "why"),
    "what the service cannot do": (501, "NotImplemented", False, False, "why"),
    "what S3 takes from nobody": (400, "InvalidArgument", False, False, "why"),
}


@pytest.mark.parametrize(
    ("status", "code", "transient", "throttled", "text"),
    REFUSALS.values(),
    ids=REFUSALS,
)
def test_a_refusal_says_why_and_whether_it_may_pass(
    status: int, code: str, *, transient: bool, throttled: bool, text: str
) -> None:
    error = refusal(status, code)

    assert text in error.message
    assert (error.transient, error.throttled) == (transient, throttled)


def test_a_service_may_ask_for_a_pause_that_has_a_bound() -> None:
    asked = {"retry-after": "7"}
    assert explain_refusal(503, asked, b"").retry_after == timedelta(seconds=7)
    endless = {"retry-after": "9" * 30}
    waited = explain_refusal(503, endless, b"").retry_after
    assert waited is not None
    assert waited <= timedelta(minutes=5)


def test_another_content_is_a_change() -> None:
    assert isinstance(refusal(412, "PreconditionFailed"), ChangedError)


SHA256 = hashlib.sha256(b"x").digest()
MD5 = hashlib.md5(b"x", usedforsecurity=False).hexdigest()
CHECKSUMS = {
    "the etag of one request": ({"etag": f'"{MD5}"'}, {"md5": MD5}),
    "the etag of parts": ({"etag": f'"{MD5}-2"'}, {}),
    "the etag of what KMS encrypted": (
        {"etag": f'"{MD5}"', "x-amz-server-side-encryption": "aws:kms"},
        {},
    ),
    "the etag of what the client's key encrypted": (
        {
            "etag": f'"{MD5}"',
            "x-amz-server-side-encryption-customer-algorithm": "AES256",
        },
        {},
    ),
    "a sha256": (
        {"x-amz-checksum-sha256": b64encode(SHA256).decode()},
        {"sha256": SHA256.hex()},
    ),
    "a digest of digests": (
        {"x-amz-checksum-sha256": f"{b64encode(SHA256).decode()}-3"},
        {},
    ),
    "a digest of digests by its type": (
        {
            "x-amz-checksum-crc32c": "AAAAAA==",
            "x-amz-checksum-type": "COMPOSITE",
        },
        {},
    ),
    "a crc32c": ({"x-amz-checksum-crc32c": "AAAAAQ=="}, {"crc32c": "00000001"}),
    "no base64": ({"x-amz-checksum-sha1": "!"}, {}),
}


@pytest.mark.parametrize(("headers", "expected"), CHECKSUMS.values(), ids=CHECKSUMS)
def test_only_digests_of_the_content_are_checksums(
    headers: dict[str, str], expected: dict[str, str]
) -> None:
    assert read_checksums(headers) == expected


GIB = 1024**3


@pytest.mark.parametrize(
    "size", [1, 33_000_000, 200 * GIB, 5 * 1024 * GIB, 10_000 * 5 * GIB]
)
def test_parts_are_as_many_as_s3_takes(size: int) -> None:
    assert -(-size // part_size(size)) <= 10_000
    assert 5 * 1024**2 <= part_size(size) <= 5 * GIB


def test_a_file_that_s3_does_not_take_is_refused_before_it_is_sent() -> None:
    with pytest.raises(StorageError, match="S3 takes"):
        part_size(10_001 * 5 * GIB)
