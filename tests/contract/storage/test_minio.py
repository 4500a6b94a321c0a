"""Whether a file could be written, asked of a real server that enforces policies."""

from collections.abc import Callable, Iterator

import pytest

from contract.storage.clouds import open_s3
from contract.storage.places import Place
from fakes.filer_credentials import FixedCredentials
from servers.minio import Minio, minio_server
from tesk_filer.domain.checks import Verdict, WriteFound
from tesk_filer.ports import StorageError
from tesk_filer.usecases.checks import ChecksWrites

BUCKET = "checks"
READ = ("s3:GetObject", "s3:ListBucket")

pytestmark = pytest.mark.engine

Ask = Callable[..., WriteFound]


@pytest.fixture(scope="module")
def minio() -> Iterator[Minio]:
    with minio_server(BUCKET) as server:
        yield server


@pytest.fixture
def ask(minio: Minio) -> Ask:
    """Ask for somebody who may do nothing but some actions."""

    def asked(*actions: str) -> WriteFound:
        storage = open_s3(FixedCredentials(minio.account(actions)))
        place = Place(storage, f"s3://{BUCKET}/d", has_directories=False)
        assert isinstance(storage, ChecksWrites)
        try:
            return storage.check_write(place.at("a"))
        finally:
            storage.close()

    return asked


def uploads(minio: Minio) -> list[str]:
    """Return the keys of uploads that have begun, and remove them."""
    client = minio.client()
    # MinIO lists those of one key alone.
    listed = client.list_multipart_uploads(Bucket=BUCKET, Prefix="d/a")
    begun = listed.get("Uploads", [])
    for each in begun:
        client.abort_multipart_upload(
            Bucket=BUCKET, Key=each["Key"], UploadId=each["UploadId"]
        )
    assert client.list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0
    client.close()
    return [each["Key"] for each in begun]


def test_who_may_write_is_told_so_and_nothing_is_left(minio: Minio, ask: Ask) -> None:
    found = ask("s3:PutObject", "s3:AbortMultipartUpload")

    assert found.verdict is Verdict.OK
    assert uploads(minio) == []


def test_who_may_only_read_is_told_so(minio: Minio, ask: Ask) -> None:
    with pytest.raises(StorageError, match="access denied"):
        ask(*READ)

    assert uploads(minio) == []


def test_an_upload_that_stays_is_told(minio: Minio, ask: Ask) -> None:
    found = ask("s3:PutObject")

    assert found.verdict is Verdict.OK
    assert "could not be aborted and stays" in found.message
    assert uploads(minio) == ["d/a"]
