"""S3: pages, markers, buckets, parts."""

import os

import pytest

from contract.storage.places import Place
from servers.s3 import S3Service
from tesk_filer.ports import HaltedError, StorageError

LARGE = 65 * 1024 * 1024  # more than goes in one request


def test_a_listing_is_complete_beyond_one_page(
    s3_place: Place, s3_service: S3Service
) -> None:
    client = s3_service.client()
    prefix = s3_place.url.removeprefix("s3://bucket/")
    for number in range(1005):
        client.put_object(Bucket="bucket", Key=f"{prefix}/d/{number:04}", Body=b"")
    client.close()

    entries = s3_place.walk(s3_place.url + "/d")

    assert [entry.name for entry in entries] == [f"{n:04}" for n in range(1005)]


def test_markers_of_directories_are_no_files(
    s3_place: Place, s3_service: S3Service
) -> None:
    client = s3_service.client()
    prefix = s3_place.url.removeprefix("s3://bucket/")
    for key in ("d/", "d/e/", "d/e/f"):
        client.put_object(Bucket="bucket", Key=f"{prefix}/{key}", Body=b"")
    client.close()

    assert [entry.name for entry in s3_place.walk(s3_place.url + "/d")] == ["e/f"]


def test_a_prefix_is_no_pattern(s3_place: Place) -> None:
    s3_place.put(s3_place.url + "/a+b/x", b"")
    s3_place.put(s3_place.url + "/aab/y", b"")

    assert [entry.name for entry in s3_place.walk(s3_place.url + "/a+b")] == ["x"]


MISSING_BUCKET = {
    "reading": lambda place: place.get("s3://no-such-bucket/a"),
    "writing": lambda place: place.put("s3://no-such-bucket/a", b"x"),
    "writing in parts": lambda place: place.put("s3://no-such-bucket/a", bytes(LARGE)),
    "listing": lambda place: place.walk("s3://no-such-bucket/a"),
}


@pytest.mark.parametrize("act", MISSING_BUCKET.values(), ids=MISSING_BUCKET)
def test_a_missing_bucket_is_said_to_be_missing(s3_place: Place, act: object) -> None:
    assert callable(act)

    with pytest.raises(StorageError, match="bucket does not exist") as caught:
        act(s3_place)

    assert not caught.value.transient


def test_a_bucket_is_no_file(s3_place: Place) -> None:
    with pytest.raises(StorageError, match="names a bucket"):
        s3_place.get("s3://bucket")


def test_a_directory_opened_as_a_file_names_the_cure(s3_place: Place) -> None:
    s3_place.put(s3_place.url + "/d/x", b"")

    with pytest.raises(StorageError, match="type DIRECTORY"):
        s3_place.get(s3_place.url + "/d")


def test_a_large_file_goes_in_parts(s3_place: Place) -> None:
    content = os.urandom(LARGE)
    url = s3_place.url + "/large"

    s3_place.put(url, content)

    stat = s3_place.stat(url)
    assert stat is not None
    assert "-" in stat.etag  # S3's mark of a multipart upload
    assert s3_place.get(url) == content


def test_a_halted_large_file_leaves_no_parts(
    s3_place: Place, s3_service: S3Service
) -> None:
    moved = 0

    def halt_late(size: int) -> None:
        nonlocal moved
        moved += size
        if moved > LARGE // 2:
            raise HaltedError

    with pytest.raises(HaltedError):
        s3_place.put(s3_place.url + "/large", bytes(LARGE), advance=halt_late)

    client = s3_service.client()
    uploads = client.list_multipart_uploads(Bucket="bucket").get("Uploads", [])
    client.close()
    assert uploads == []
    assert s3_place.stat(s3_place.url + "/large") is None
