"""Google Cloud Storage: large files, listings, tokens, errors."""

import gzip
import json
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from contract.storage.clouds import BUCKET, open_gs
from contract.storage.places import Place
from servers.gcs_faults import TOKEN, Fault, GcsFaults, account_key, gcs_faults
from tesk_filer.domain.credentials import GcsAccount
from tesk_filer.ports import ChangedError, HaltedError, Stat, StorageError

CHUNK = 4 * 1024 * 1024
LARGE = bytes(range(256)) * 4096 * 9  # more than one request holds


@pytest.fixture
def gs(gcs_endpoint: str, tmp_path: Path) -> Iterator[Place]:
    """Give the real server; pages and chunks are small."""
    account = GcsAccount(endpoint=gcs_endpoint, anonymous=True)
    storage = open_gs(account, page=2, chunk=CHUNK)
    yield Place(storage, f"gs://{BUCKET}/{tmp_path.name}", has_directories=False)
    storage.close()


@pytest.fixture
def server() -> Iterator[GcsFaults]:
    with gcs_faults() as faults:
        yield faults


@pytest.fixture
def faulty(server: GcsFaults) -> Iterator[Place]:
    account = GcsAccount(endpoint=server.url, anonymous=True)
    storage = open_gs(account, chunk=CHUNK)
    yield Place(storage, "gs://bucket/d", has_directories=False)
    storage.close()


def test_a_large_file_is_sent_in_chunks(gs: Place) -> None:
    moved: list[int] = []

    gs.put(gs.at("a"), LARGE, advance=moved.append)

    assert gs.get(gs.at("a")) == LARGE
    assert sum(moved) == len(LARGE)


def test_an_upload_that_is_stopped_shows_nothing(gs: Place) -> None:
    def halt(size: int) -> None:
        if size:
            raise HaltedError

    with pytest.raises(HaltedError):
        gs.put(gs.at("a"), LARGE, advance=halt)

    assert gs.stat(gs.at("a")) is None


def test_listings_go_on_beyond_a_page(gs: Place) -> None:
    names = [f"{number:02}" for number in range(5)]
    for name in names:
        gs.put(gs.at(name), b"x")

    assert [len(page.entries) for page in gs.pages(gs.url)] == [2, 2, 1]
    assert [entry.name for entry in gs.walk(gs.url)] == names


def test_a_listing_tells_generation_and_digests(gs: Place) -> None:
    gs.put(gs.at("a"), b"123456789")

    [entry] = gs.walk(gs.url)

    assert entry.etag.isdecimal()
    assert entry.checksums == {
        "md5": "25f9e794323b453885f5181f1b624d0b",
        "crc32c": "e3069283",
    }
    assert entry.size == 9


def test_placeholders_of_directories_are_none_of_the_files(
    gs: Place, gcs_endpoint: str
) -> None:
    name = gs.at("d/").path
    httpx.post(
        f"{gcs_endpoint}/upload/storage/v1/b/{BUCKET}/o",
        params={"uploadType": "media", "name": name},
    ).raise_for_status()
    gs.put(gs.at("d/a"), b"x")

    assert [entry.name for entry in gs.walk(gs.url)] == ["d/a"]


def test_what_is_stored_with_an_encoding_comes_as_it_is_stored(
    gs: Place, gcs_endpoint: str
) -> None:
    packed = gzip.compress(b"text" * 100)
    httpx.post(
        f"{gcs_endpoint}/upload/storage/v1/b/{BUCKET}/o",
        params={
            "uploadType": "media",
            "name": gs.at("a").path,
            "contentEncoding": "gzip",
        },
        content=packed,
    ).raise_for_status()

    assert gs.get(gs.at("a")) == packed


def test_what_a_listing_told_needs_no_further_request(
    faulty: Place, server: GcsFaults
) -> None:
    server.content = b"content"
    [entry] = faulty.walk(faulty.url)
    server.requests.clear()

    assert faulty.get(faulty.at("a"), known=entry) == b"content"
    assert server.requests == ["GET /download/storage/v1/b/bucket/o/d%2Fa"]


def test_another_generation_is_not_read(faulty: Place, server: GcsFaults) -> None:
    server.content = b"content"

    with pytest.raises(ChangedError):
        faulty.get(faulty.at("a"), known=Stat(size=7, etag="2"))


def test_an_upload_goes_on_where_the_connection_was_cut(
    faulty: Place, server: GcsFaults
) -> None:
    server.cuts = [1_000_000, 0, 2_000_000]
    moved: list[int] = []

    faulty.put(faulty.at("a"), LARGE, advance=moved.append)

    assert server.content == LARGE
    assert sum(moved) == len(LARGE)
    assert not server.is_ended


def test_an_upload_that_is_cut_again_and_again_is_given_up(
    faulty: Place, server: GcsFaults
) -> None:
    server.cuts = [0] * 100

    with pytest.raises(StorageError) as caught:
        faulty.put(faulty.at("a"), LARGE)

    assert caught.value.transient
    assert server.is_ended
    assert len(server.cuts) > 80


@pytest.mark.parametrize("status", [404, 410])
def test_an_upload_that_the_service_has_given_up_begins_anew(
    faulty: Place, server: GcsFaults, status: int
) -> None:
    server.given_up = [status]

    with pytest.raises(StorageError, match="given up the upload") as caught:
        faulty.put(faulty.at("a"), LARGE)

    assert caught.value.transient
    assert sum(each.startswith("PUT") for each in server.requests) == 1


def test_an_upload_that_waits_for_the_service_can_be_stopped(server: GcsFaults) -> None:
    server.cuts = [0]
    account = GcsAccount(endpoint=server.url, anonymous=True)
    storage = open_gs(account, chunk=CHUNK, backoff=timedelta(hours=1))

    def halt(size: int) -> None:
        if not size and not server.cuts:
            raise HaltedError

    with closing(storage), pytest.raises(HaltedError):
        Place(storage, "").put("gs://bucket/a", LARGE, advance=halt)

    assert server.is_ended


@pytest.mark.parametrize("content", [b"x", LARGE], ids=["small", "large"])
def test_what_arrives_damaged_is_an_error(
    faulty: Place, server: GcsFaults, content: bytes
) -> None:
    server.damages = True

    with pytest.raises(StorageError, match="other bytes arrived") as caught:
        faulty.put(faulty.at("a"), content)

    assert caught.value.transient


ERRORS = {
    "busy": (503, "backendError", True, True),
    "too many requests": (429, "rateLimitExceeded", True, True),
    "too many requests of a project": (403, "rateLimitExceeded", True, False),
    "a failure of the service": (500, "", True, False),
    "not allowed": (403, "forbidden", False, False),
    "not known": (401, "authError", False, False),
    "no bucket": (404, "notFound", False, False),
    "the requester pays": (400, "userProjectMissing", False, False),
}


@pytest.mark.parametrize(
    ("status", "reason", "transient", "throttled"), ERRORS.values(), ids=ERRORS
)
def test_errors_are_told_as_lasting_or_passing(
    faulty: Place,
    server: GcsFaults,
    status: int,
    reason: str,
    *,
    transient: bool,
    throttled: bool,
) -> None:
    server.faults = [Fault(status, reason)] * 2  # what is missing is looked for

    with pytest.raises(StorageError) as caught:
        faulty.get(faulty.at("a"), known=Stat(size=1, etag="1"))

    error = caught.value
    assert (error.transient, error.throttled) == (transient, throttled)
    assert error.retry_after == timedelta(seconds=7)
    assert f"HTTP {status}" in error.message
    assert "secret" not in error.message


@pytest.fixture
def signed(server: GcsFaults) -> Iterator[Place]:
    key = account_key(f"{server.url}/token")
    storage = open_gs(GcsAccount(endpoint=server.url, key=json.dumps(key)))
    yield Place(storage, "gs://bucket/d", has_directories=False)
    storage.close()


def test_a_key_is_exchanged_for_a_token_once(signed: Place, server: GcsFaults) -> None:
    signed.put(signed.at("a"), b"content")

    assert signed.get(signed.at("a")) == b"content"
    assert set(server.authorizations) == {f"Bearer {TOKEN}"}


def test_a_large_file_needs_no_token_for_its_chunks(
    signed: Place, server: GcsFaults
) -> None:
    signed.put(signed.at("a"), LARGE)

    assert server.authorizations == [f"Bearer {TOKEN}", ""]


def test_a_key_that_is_refused_is_a_lasting_error(
    signed: Place, server: GcsFaults
) -> None:
    server.token_faults = [Fault(400, "invalid_grant")]

    with pytest.raises(StorageError, match="Google gives no token") as caught:
        signed.get(signed.at("a"))

    assert not caught.value.transient


def test_a_key_that_is_none_is_not_shown(server: GcsFaults) -> None:
    account = GcsAccount(endpoint=server.url, key='{"private_key": "s3cr3t"}')
    storage = open_gs(account)

    with pytest.raises(StorageError, match="not the key of a service") as caught:
        Place(storage, "").get("gs://bucket/a")

    assert "s3cr3t" not in caught.value.message + repr(account)
    storage.close()


def test_a_file_that_nobody_listed_takes_one_request(
    faulty: Place, server: GcsFaults
) -> None:
    server.content = b"content"

    assert faulty.get(faulty.at("a")) == b"content"
    assert server.requests == ["GET /download/storage/v1/b/bucket/o/d%2Fa"]
