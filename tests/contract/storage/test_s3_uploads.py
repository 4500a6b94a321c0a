"""Uploads to S3, on the wire: what is verified, joined, sent again and removed."""

import hashlib

import pytest

from contract.storage.scripted_s3 import at, error, opened
from servers.scripted import Script, answer, scripted_server
from tesk_filer.ports import StorageError

MD5 = hashlib.md5(b"abc", usedforsecurity=False).hexdigest()
SHA256 = hashlib.sha256(b"abc").hexdigest()


def test_what_is_sent_is_verified_by_both_sides() -> None:
    good, bad = answer(200, etag=f'"{MD5}"'), answer(200, etag=f'"{"0" * 32}"')
    with scripted_server(good, bad) as script, opened(at(script)) as place:
        place.put("s3://bucket/a", b"abc")
        assert f"x-amz-content-sha256: {SHA256}" in script.requests[0]

        with pytest.raises(StorageError, match="otherwise than it was sent") as caught:
            place.put("s3://bucket/a", b"abc")

    assert caught.value.transient


PARTS_ID = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
LARGE = 33 * 1024 * 1024  # two parts


def methods(script: Script) -> list[str]:
    lines = [each.partition(" HTTP")[0] for each in script.requests]
    return [line.replace("/bucket/a?", "") for line in lines]


def test_a_part_that_may_pass_is_sent_again_alone() -> None:
    busy = answer(503, error("SlowDown"))
    done = answer(200, b"<CompleteMultipartUploadResult/>")
    head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % LARGE
    parts = [answer(200, etag='"p"') for _ in range(2)]
    with (
        scripted_server(answer(200, PARTS_ID), busy, *parts, done, head) as script,
        opened(at(script)) as place,
    ):
        moved: list[int] = []
        place.put("s3://bucket/a", bytes(LARGE), advance=moved.append)

    assert sum(moved) == LARGE
    sent = methods(script)
    assert sent[0] == "POST uploads="
    assert len([each for each in sent if each.startswith("PUT")]) == 3
    assert b"<PartNumber>2</PartNumber>" in script.bodies[-2]


PART = answer(200, etag=f'"{"1" * 32}"', x_amz_server_side_encryption="aws:kms")
OF_BOTH = hashlib.md5(bytes.fromhex("1" * 32) * 2, usedforsecurity=False).hexdigest()
JOINED = {
    "it is busy for a moment": [
        answer(503, error("SlowDown")),
        answer(200, b"<CompleteMultipartUploadResult/>"),
    ],
    "it fails after it has begun to answer": [
        answer(200, error("InternalError")),
        answer(200, b"<CompleteMultipartUploadResult/>"),
    ],
    "its answer was lost, and it says so late": [
        b"",
        answer(200, error("NoSuchUpload")),
        b'HTTP/1.1 200 OK\r\netag: "%s-2"\r\ncontent-length: 1\r\n\r\n'
        % OF_BOTH.encode(),
    ],
    "its answer was lost": [
        b"",
        answer(404, error("NoSuchUpload")),
        b'HTTP/1.1 200 OK\r\netag: "%s-2"\r\ncontent-length: 1\r\n\r\n'
        % OF_BOTH.encode(),
    ],
}


@pytest.mark.parametrize("answers", JOINED.values(), ids=JOINED)
def test_parts_that_are_there_are_not_sent_again_because(answers: list[bytes]) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % LARGE
    with (
        scripted_server(answer(200, PARTS_ID), PART, PART, *answers, head) as script,
        opened(at(script)) as place,
    ):
        place.put("s3://bucket/a", bytes(LARGE))

    sent = methods(script)
    assert len([each for each in sent if each.startswith("PUT")]) == 2
    assert not [each for each in sent if each.startswith("DELETE")]


FAILURES = {
    "a part is refused": [answer(403, error("AccessDenied"))] * 2,
    "the parts are not joined": [
        *[answer(200, etag='"p"')] * 2,
        *[answer(200, error("InternalError", Message="later"))] * 4,
    ],
}


@pytest.mark.parametrize("answers", FAILURES.values(), ids=FAILURES)
def test_an_upload_that_fails_is_removed(answers: list[bytes]) -> None:
    with (
        scripted_server(answer(200, PARTS_ID), *answers, answer(204)) as script,
        opened(at(script)) as place,
        pytest.raises(StorageError),
    ):
        place.put("s3://bucket/a", bytes(LARGE))

    assert methods(script)[-1] == "DELETE uploadId=u"


LASTING = {
    "its disks are full": ("XMinioStorageFull", r"S3 refuses: no \(XMinioStorageFull"),
    "it may not be written": ("AccessDenied", r"access denied \(AccessDenied\)"),
}


@pytest.mark.parametrize(("code", "want"), LASTING.values(), ids=LASTING)
def test_parts_are_joined_once_if_a_late_error_lasts(code: str, want: str) -> None:
    late = answer(200, error(code, Message="no"))
    with (
        scripted_server(answer(200, PARTS_ID), PART, PART, late, answer(204)) as script,
        opened(at(script)) as place,
        pytest.raises(StorageError, match=want) as caught,
    ):
        place.put("s3://bucket/a", bytes(LARGE))

    assert not caught.value.transient
    assert methods(script)[-1] == "DELETE uploadId=u"
    assert methods(script).count("POST uploadId=u") == 1


def test_a_late_error_of_too_many_requests_asks_for_fewer() -> None:
    late = answer(200, error("SlowDown", Message="later"))
    with (
        scripted_server(
            answer(200, PARTS_ID), PART, PART, *[late] * 4, answer(204)
        ) as script,
        opened(at(script)) as place,
        pytest.raises(StorageError, match="did not join its parts: later") as caught,
    ):
        place.put("s3://bucket/a", bytes(LARGE))

    assert (caught.value.transient, caught.value.throttled) == (True, True)


LOST = {
    "nothing is there": answer(404),
    "what is there may not be read": answer(403),
    "other parts are there": answer(200, etag=f'"{"0" * 32}-2"').replace(
        b"content-length: 0", b"content-length: 1"
    ),
}


def test_parts_of_an_upload_that_is_gone_may_be_sent_anew() -> None:
    lost = answer(404, error("NoSuchUpload"))
    with (
        scripted_server(answer(200, PARTS_ID), lost, lost, lost) as script,
        opened(at(script)) as place,
        pytest.raises(StorageError, match="lost its parts") as caught,
    ):
        place.put("s3://bucket/a", bytes(LARGE))

    assert caught.value.transient


@pytest.mark.parametrize("there", LOST.values(), ids=LOST)
def test_parts_that_are_lost_may_be_sent_again(there: bytes) -> None:
    lost = answer(404, error("NoSuchUpload"))
    with (
        scripted_server(answer(200, PARTS_ID), PART, PART, lost, there) as script,
        opened(at(script)) as place,
        pytest.raises(StorageError, match="lost its parts") as caught,
    ):
        place.put("s3://bucket/a", bytes(LARGE))

    assert caught.value.transient
