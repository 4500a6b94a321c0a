"""Large uploads that fail leave nothing behind, also if their service is away just then."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from contract.storage.clouds import open_gs
from contract.storage.places import TIMEOUTS, Place
from fakes.filer_credentials import FixedCredentials
from servers.scripted import Script, answer, scripted_server
from tesk_filer.adapters.storage.http_pool import HttpPool
from tesk_filer.adapters.storage.objects import ObjectStorage
from tesk_filer.adapters.storage.s3 import S3Objects
from tesk_filer.adapters.storage.s3_environment import AwsEnvironment
from tesk_filer.adapters.storage.s3_requests import S3Requests
from tesk_filer.domain.credentials import GcsAccount, S3Account, S3Keys
from tesk_filer.ports import StorageError
from tesk_runtime.clock import SystemClock

MIB = 1024 * 1024
AWAY, DENIED, DONE = answer(503), answer(403), answer(204)
BROKEN = [AWAY] * 4  # as often as an abort is tried
ABORT = "DELETE /bucket/a?uploadId=u1"
BEGIN = "POST /bucket/a?uploads="
BEGUN = answer(
    200,
    b"<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>",
)


@pytest.fixture
def script() -> Iterator[Script]:
    with scripted_server() as script:
        yield script


@pytest.fixture
def s3(script: Script) -> Iterator[ObjectStorage]:
    """S3 that sends one part after the other."""
    keys = S3Keys(access_key="AKIA1", secret_key="s3cr3t")
    requests = S3Requests(
        pool=HttpPool(timeouts=TIMEOUTS, size=1, environ={}),
        credentials=FixedCredentials(S3Account(endpoint=script.url, keys=keys)),
        environment=AwsEnvironment({}),
        now=SystemClock().now,
    )
    with closing(ObjectStorage(S3Objects(requests, connections=1))) as storage:
        yield storage


def lines(script: Script) -> list[str]:
    """Return method and target of each request but those with bytes."""
    found = [" ".join(each.split()[:2]) for each in script.requests]
    return [each for each in found if not each.startswith("PUT")]


def fail_to_put(storage: ObjectStorage, url: str, size: int = 33 * MIB) -> None:
    with pytest.raises(StorageError):
        Place(storage, url).put(url, bytes(size))


def test_an_abort_is_tried_again(script: Script, s3: ObjectStorage) -> None:
    script.answers[:] = [BEGUN, DENIED, AWAY, DONE]

    fail_to_put(s3, "s3://bucket/a")

    assert lines(script) == [BEGIN, ABORT, ABORT]


def test_an_upload_is_aborted_when_its_service_is_back(
    script: Script, s3: ObjectStorage
) -> None:
    script.answers[:] = [BEGUN, DENIED, *BROKEN]
    fail_to_put(s3, "s3://bucket/a")
    script.requests.clear()
    script.answers[:] = [DENIED]
    fail_to_put(s3, "s3://other/b")
    script.answers[:] = [AWAY, AWAY]
    fail_to_put(s3, "s3://bucket/a")
    script.answers[:] = [DONE, DENIED, DENIED]
    fail_to_put(s3, "s3://bucket/a")
    fail_to_put(s3, "s3://bucket/a")

    assert lines(script) == [
        "POST /other/b?uploads=",
        *(ABORT, BEGIN),  # still away
        *(ABORT, BEGIN),
        BEGIN,
    ]


def test_an_upload_that_may_not_be_aborted_is_left_to_the_bucket(
    script: Script, s3: ObjectStorage
) -> None:
    script.answers[:] = [BEGUN, DENIED, DENIED, DENIED]

    fail_to_put(s3, "s3://bucket/a")
    fail_to_put(s3, "s3://bucket/a")

    assert lines(script) == [BEGIN, ABORT, BEGIN]


def test_an_upload_to_google_is_canceled_when_the_service_is_back(
    script: Script,
) -> None:
    begun = answer(200, location=f"{script.url}/session?secret")
    script.answers[:] = [begun, DENIED, *BROKEN, DONE, DENIED]

    account = GcsAccount(endpoint=script.url, anonymous=True)
    with closing(open_gs(account)) as storage:
        fail_to_put(storage, "gs://bucket/a", 9 * MIB)
        fail_to_put(storage, "gs://bucket/a", 9 * MIB)

    methods = [each.split()[0] for each in lines(script)]
    assert methods == ["POST", *["DELETE"] * 5, "POST"]
