"""Uploads count their bytes as they are sent, which is when a limit of bytes must act."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

import pytest

from contract.storage.clouds import open_azure, open_gs, open_s3, open_webhdfs
from contract.storage.places import TIMEOUTS, Place, http_storage
from fakes.filer_credentials import FixedCredentials
from servers.azure import KEY
from servers.scripted import Script, answer, scripted_server
from tesk_filer.adapters.storage.http import HttpStorage
from tesk_filer.adapters.storage.objects import ObjectStorage
from tesk_filer.adapters.storage.webhdfs import WebHdfsStorage
from tesk_filer.domain.credentials import AzureAccount, GcsAccount, S3Account, S3Keys

MIB = 1024 * 1024
STEP = MIB  # more than is sent at once
SMALL, LARGE = 3 * MIB, 33 * MIB  # in one request, and in several
BUSY = answer(503)
Open = Callable[[Script], HttpStorage | ObjectStorage | WebHdfsStorage]


def http(_: Script) -> HttpStorage:
    return http_storage(TIMEOUTS)


def s3(script: Script) -> ObjectStorage:
    keys = S3Keys(access_key="AKIA1", secret_key="s3cr3t")
    account = S3Account(endpoint=script.url, region="r1", keys=keys)
    return open_s3(FixedCredentials(account))


def gs(script: Script) -> ObjectStorage:
    return open_gs(GcsAccount(endpoint=script.url, anonymous=True))


def azure(script: Script) -> ObjectStorage:
    return open_azure(AzureAccount(endpoint=f"{script.url}/account", key=KEY))


def hdfs(_: Script) -> WebHdfsStorage:
    return open_webhdfs()


def told(size: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size


def written(size: int) -> bytes:
    return answer(200, json.dumps({"size": str(size), "generation": "1"}).encode())


BEGUN = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
JOINED = answer(200, b"<CompleteMultipartUploadResult/>")
THERE = {"type": "FILE", "length": SMALL, "modificationTime": 1}
UPLOADS: dict[str, tuple[Open, str, int, list[bytes]]] = {
    "http": (http, "{url}/a", SMALL, [answer(201)]),
    "http, redirected": (
        *(http, "{url}/a", SMALL),
        [answer(307, location="/b"), answer(201)],
    ),
    "s3": (s3, "s3://bucket/a", SMALL, [answer(200)]),
    "s3, of another region": (
        *(s3, "s3://bucket/a", SMALL),
        [answer(301, x_amz_bucket_region="r2"), answer(200)],
    ),
    "s3 in parts, one sent again": (
        *(s3, "s3://bucket/a", LARGE),
        [answer(200, BEGUN), BUSY, answer(200), answer(200), JOINED, told(LARGE)],
    ),
    "gs": (gs, "gs://bucket/a", SMALL, [written(SMALL)]),
    "gs in chunks, of which one is lost": (
        *(gs, "gs://bucket/a", LARGE),
        [
            answer(200, location="{url}/session"),
            b"",
            answer(308, range=f"bytes=0-{MIB}"),
            written(LARGE),
        ],
    ),
    "gs in chunks, of which one is too many": (
        *(gs, "gs://bucket/a", LARGE),
        [
            answer(200, location="{url}/session"),
            BUSY,
            answer(308, range=f"bytes=0-{MIB}"),
            written(LARGE),
        ],
    ),
    "gs in chunks, away for a while": (
        *(gs, "gs://bucket/a", LARGE),
        [
            answer(200, location="{url}/session"),
            *[b"", b"", b"", BUSY],  # a chunk, and questions
            answer(308, range=f"bytes=0-{MIB}"),
            written(LARGE),
        ],
    ),
    "azure": (azure, "az://container/a", SMALL, [answer(201)]),
    "azure in blocks": (
        *(azure, "az://container/a", LARGE),
        [*[answer(201)] * 6, told(LARGE)],
    ),
    "azure in blocks, one sent again": (
        *(azure, "az://container/a", LARGE),
        [answer(201), BUSY, *[answer(201)] * 5, told(LARGE)],
    ),
    "hdfs": (
        *(hdfs, "web{hdfs}/a", SMALL),
        [
            answer(307, location="{url}/data"),
            answer(201),
            answer(200, json.dumps({"FileStatus": THERE}).encode()),
            answer(200),
        ],
    ),
}


@pytest.fixture
def script() -> Iterator[Script]:
    with scripted_server() as found:
        yield found


def answers_at(script: Script, answers: Sequence[bytes]) -> list[bytes]:
    return [each.replace(b"{url}", script.url.encode()) for each in answers]


@pytest.mark.parametrize(
    ("opens", "url", "size", "answers"), UPLOADS.values(), ids=UPLOADS
)
def test_bytes_count_as_they_are_sent(
    script: Script, *, opens: Open, url: str, size: int, answers: list[bytes]
) -> None:
    script.answers = answers_at(script, answers)
    server = script.url.replace("http", "hdfs")
    counted: list[int] = []

    with closing(opens(script)) as storage:
        url = url.format(url=script.url, hdfs=server)
        Place(storage, "").put(url, bytes(size), advance=counted.append)

    assert not script.answers
    assert sum(counted) == size
    assert max(counted) <= STEP
    # What is sent again passes the limit again.
    sent = sum(len(body) for body in script.bodies if not any(body))
    assert sum(each for each in counted if each > 0) == sent
